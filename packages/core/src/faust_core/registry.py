"""Finds plug-ins: transports and stores by URL scheme, codecs and commands by name.

They come from `register_*` calls in this process, else from the entry points of what is installed.  Nothing is looked
up before it is asked for; what was found stays.
"""

from __future__ import annotations

import difflib
import functools
import threading
from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final, cast

from faust_core.codecs import Chain
from faust_core.errors import ConfigError, PluginMissing
from faust_core.protocols.codec import Codec, CodecFactory
from faust_core.protocols.store import StoreFactory
from faust_core.protocols.transport import TransportFactory
from faust_core.protocols.web import WebPlugin

__all__ = [
    "codec",
    "commands",
    "has_store",
    "register_codec",
    "register_command",
    "register_store",
    "register_transport",
    "register_web",
    "store_factory",
    "transport_factory",
    "web_plugin",
]

_CORE: Final = "faust-core"

#: What to install for plug-ins that are known to exist.
_DISTRIBUTIONS: Final[Mapping[tuple[str, str], str]] = {
    ("transports", "kafka"): "faust-transport-kafka",
    ("transports", "aiokafka"): "faust-transport-kafka",
    ("transports", "confluent"): "faust-transport-kafka",
    ("stores", "rocksdb"): "faust-store-rocksdb",
    ("stores", "redis"): "faust-store-redis",
    ("stores", "rediss"): "faust-store-redis",
    ("codecs", "msgpack"): "faust-models",
    ("web", "asgi"): "faust-web",
}

_lock = threading.Lock()
_registered: dict[str, dict[str, Any]] = {}
_loaded: dict[tuple[str, str], Any] = {}


def transport_factory(url: str, /) -> TransportFactory:
    """Return what makes transports for the scheme of `url`.

    Raises:
        PluginMissing: nothing installed does; the message says what to install.
        ConfigError: the plug-in cannot be imported.
    """
    return cast("TransportFactory", _find("transports", _scheme(url)))


def store_factory(url: str, /) -> StoreFactory:
    """Return what makes store backends for the scheme of `url`; raises as `transport_factory` does."""
    return cast("StoreFactory", _find("stores", _scheme(url)))


def has_store(scheme: str, /) -> bool:
    """Tell whether there is a store for a scheme; it is not loaded."""
    return scheme in _registered.get("stores", {}) or scheme in _installed("stores")


def web_plugin() -> WebPlugin | None:
    """Return what serves HTTP, and asks others by it; None where nothing that does is installed.

    Raises:
        ConfigError: it cannot be imported.
    """
    names = _names("web")
    return cast("WebPlugin", _find("web", "asgi" if "asgi" in names else min(names))) if names else None


def codec(name: str | Codec, value_type: Any = None, /) -> Codec:
    """Return the codec of a name for values of a type; an object that is a codec already is returned as it is.

    `'json|zlib'` is a chain: the first writes the value, each other one takes the bytes of the one before.

    Raises:
        PluginMissing: there is no codec of that name, or of one of the names.
        ConfigError: the codec cannot carry that type, or cannot be imported.
    """
    if not isinstance(name, str):
        return name
    names = [part.strip() for part in name.split("|")]
    factories = [cast("CodecFactory", _find("codecs", part)) for part in names]
    codecs = [factories[0](value_type), *(factory() for factory in factories[1:])]
    return codecs[0] if len(codecs) == 1 else Chain(codecs)


def commands() -> Mapping[str, Any]:
    """Load and return all commands for the command line, by name."""
    return {name: _find("commands", name) for name in sorted(_names("commands"))}


def register_transport(scheme: str, factory: TransportFactory, /) -> None:
    """Use `factory` for URLs of `scheme` in this process, whatever is installed."""
    _register("transports", scheme, factory)


def register_store(scheme: str, factory: StoreFactory, /) -> None:
    """Use `factory` for URLs of `scheme` in this process, whatever is installed."""
    _register("stores", scheme, factory)


def register_web(name: str, plugin: WebPlugin, /) -> None:
    """Serve HTTP by `plugin` in this process, whatever is installed, if `name` is `asgi`."""
    _register("web", name, plugin)


def register_codec(name: str, factory: CodecFactory, /) -> None:
    """Use `factory` for the codec `name` in this process, whatever is installed."""
    _register("codecs", name, factory)


def register_command(name: str, command: Any, /) -> None:
    """Offer `command` on the command line of this process."""
    _register("commands", name, command)


def _register(group: str, name: str, plugin: Any) -> None:
    if not name or "|" in name or "://" in name:
        raise ConfigError(f"{name!r} cannot be the name of a plug-in in {group}: use a bare name or URL scheme")
    with _lock:
        _registered.setdefault(group, {})[name] = plugin


def _scheme(url: str) -> str:
    return url.partition("://")[0]


@functools.cache
def _installed(group: str) -> Mapping[str, EntryPoint]:
    """Return the entry points of a group by name; core's own give way to others of the same name."""
    found = entry_points(group=f"faust.{group}")
    # The later one stays; between others the order of their names decides, so that it is always the same.
    ordered = sorted(found, key=lambda e: (_distribution(e) != _CORE, _distribution(e)))
    return {entry.name: entry for entry in ordered}


def _distribution(entry: EntryPoint) -> str:
    return entry.dist.name if entry.dist is not None else ""


def _names(group: str) -> set[str]:
    return {*_registered.get(group, {}), *_installed(group)}


def _find(group: str, name: str) -> Any:
    with _lock:
        registered = _registered.get(group, {})
        if name in registered:
            return registered[name]
        if (group, name) in _loaded:
            return _loaded[group, name]
    # Imported without the lock: a plug-in may register others while it is imported.
    entry = _installed(group).get(name)
    if entry is None:
        raise PluginMissing(_missing(group, name))
    try:
        plugin = entry.load()
    except Exception as exc:
        raise ConfigError(
            f"{group.removesuffix('s')} {name!r} of {_distribution(entry) or entry.value} "
            f"cannot be imported: {type(exc).__name__}: {exc}"
        ) from exc
    with _lock:
        return _loaded.setdefault((group, name), plugin)


def _missing(group: str, name: str) -> str:
    kind = group.removesuffix("s")
    shown = f"{kind} for {name}://" if group in ("transports", "stores") else f"{kind} {name!r}"
    if distribution := _DISTRIBUTIONS.get((group, name)):
        return f"no {shown}: pip install {distribution}"
    names = _names(group)
    known = {*names, *(n for g, n in _DISTRIBUTIONS if g == group)}
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    return f"no {shown}: {hint}installed are {', '.join(sorted(names)) or 'none'}"
