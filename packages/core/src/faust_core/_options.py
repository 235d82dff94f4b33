"""Where the values of settings come from: arguments and the environment."""

from __future__ import annotations

import difflib
import re
import warnings
from collections.abc import Callable, Mapping
from dataclasses import Field
from typing import Any, Final

from faust_core import _parse as p
from faust_core.errors import ConfigError, UnknownSetting

__all__ = ["ALIASES", "NO_ENV", "gather", "unknown"]

#: As a setting's `env`: no variable of the environment sets it.
NO_ENV: Final = "-"

#: Settings under the names that they had before, and what a value means under the new one.
ALIASES: Final[Mapping[str, tuple[str, Callable[[Any], Any]]]] = {
    "client_id": ("broker_client_id", p.any_value),
    "commit_interval": ("broker_commit_interval", p.any_value),
    "create_reply_topic": ("reply_create_topic", p.any_value),
    "default_partitions": ("topic_partitions", p.any_value),
    "num_standby_replicas": ("table_standby_replicas", p.any_value),
    "producer_linger_ms": ("producer_linger", lambda ms: p.seconds()(ms) / 1000),
    "replication_factor": ("topic_replication_factor", p.any_value),
    "url": ("broker", p.any_value),
}

_Table = Mapping[str, "Field[Any]"]
#: A value, and in words where it comes from.
_Given = dict[str, tuple[Any, str]]


def gather(table: _Table, options: Mapping[str, Any], environ: Mapping[str, str]) -> dict[str, Any]:
    """Return the checked value of each setting that is given; the environment wins.

    Raises:
        UnknownSetting: an option that does not exist.
        ConfigError: a value that the setting cannot have.
    """
    given = _from_arguments(table, options)
    prefix = environ.get("APP_ENV_PREFIX") or given.get("env_prefix", ("", ""))[0]
    given |= _from_environment(table, environ, prefix)
    return {
        name: _checked(name, table[name].metadata["parse"], *value, secret=table[name].metadata["secret"])
        for name, value in given.items()
    }


def unknown(name: str, table: _Table) -> UnknownSetting:
    """Return the error for a setting that does not exist; it offers the closest one."""
    close = difflib.get_close_matches(name, [*table, *ALIASES], n=1, cutoff=0.5)
    hint = f"did you mean {close[0]!r}?" if close else "see faust_core.settings for all of them"
    return UnknownSetting(f"there is no setting {name!r}: {hint}")


def _from_arguments(table: _Table, options: Mapping[str, Any]) -> _Given:
    given: _Given = {}
    for name, value in options.items():
        if name not in table and name not in ALIASES:
            raise unknown(name, table)
        if name not in ALIASES:
            if value is not None:
                given[name] = value, f"argument {name}"
            continue
        present, convert = ALIASES[name]
        warnings.warn(f"setting {name} is now called {present}", DeprecationWarning, stacklevel=5)
        if value is not None and options.get(present) is None:
            given[present] = _checked(name, convert, value, f"argument {name}"), f"argument {name}"
    return given


def _from_environment(table: _Table, environ: Mapping[str, str], prefix: str) -> _Given:
    given: _Given = {}
    for name, setting in table.items():
        env = setting.metadata["env"]
        variables = list(setting.metadata["also"])
        if env != NO_ENV:
            variables.insert(0, env if name == "env_prefix" else prefix + (env or name.upper()))
        for variable in variables:
            value = environ.get(variable)
            if value or (value is not None and setting.metadata["parse"] is p.boolean):
                given[name] = value, f"environment variable {variable}"
                break
    return given


def _checked(name: str, parse: p.Parser, value: Any, source: str, *, secret: bool = False) -> Any:
    try:
        return parse(value)
    except ValueError as exc:
        hidden = secret or name == "broker_credentials"
        shown = type(value).__name__ if hidden else _without_password(repr(value))
        raise ConfigError(f"setting {name} = {shown} (from {source}) is not possible: give {exc}") from None


def _without_password(shown: str) -> str:
    # Up to the last one: a password that is not percent-encoded may hold anything.
    return re.sub(r"(?<=://).*@", "***@", shown, flags=re.DOTALL)
