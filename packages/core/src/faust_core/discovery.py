"""Finding declarations: importing the modules in which agents, tables and commands stand."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Callable, Iterable
from types import ModuleType

from faust_core.errors import ConfigError

__all__ = ["IGNORED", "Ignore", "import_all"]

#: A module's path, or a function that says whether it is left out.
Ignore = str | re.Pattern[str] | Callable[[str], object]

#: Tests are not part of the application, and a `__main__` runs when it is imported.
IGNORED: tuple[Ignore, ...] = (re.compile(r"(^|\.)(tests?(\.|$)|test_|conftest$)"), re.compile(r"(^|\.)__main__$"))


def import_all(names: Iterable[str], ignore: Iterable[Ignore] = IGNORED) -> list[str]:
    """Import modules, and of packages all that is inside; return the names of what was imported.

    Raises:
        ConfigError: there is no module of a name that was given.
        Exception: what importing a module raised.
    """
    rules = tuple(ignore)
    found: dict[str, None] = {}
    for name in names:
        try:
            module = importlib.import_module(name)
        except ModuleNotFoundError as exc:
            if exc.name is None or not (name == exc.name or name.startswith(f"{exc.name}.")):
                raise
            raise ConfigError(f"cannot look for agents in {name!r}: there is no module {exc.name!r}") from exc
        found[name] = None
        _inside(module, rules, found)
    return list(found)


def _inside(package: ModuleType, ignore: tuple[Ignore, ...], found: dict[str, None]) -> None:
    for info in pkgutil.iter_modules(getattr(package, "__path__", ()), f"{package.__name__}."):
        if info.name in found or any(_matches(rule, info.name) for rule in ignore):
            continue
        found[info.name] = None
        _inside(importlib.import_module(info.name), ignore, found)


def _matches(rule: Ignore, name: str) -> bool:
    if isinstance(rule, str):
        return name == rule or name.startswith(f"{rule}.") or (rule.startswith(".") and name.endswith(rule))
    if isinstance(rule, re.Pattern):
        return rule.search(name) is not None
    return bool(rule(name))
