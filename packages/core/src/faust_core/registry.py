"""Finds plug-ins: transports, stores and caches by URL scheme, codecs and commands by name.

They come from `register_*` calls in this process, else from the entry points of what is installed.  Nothing is looked
up before it is asked for; what was found stays.
"""

from __future__ import annotations

import difflib
import functools
import inspect
import threading
from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final, cast

from faust_core.codecs import Chain, codec_name
from faust_core.errors import ConfigError, PluginMissing
from faust_core.protocols.cache import CacheFactory
from faust_core.protocols.codec import Codec, Part, PlainForm
from faust_core.protocols.store import StoreFactory
from faust_core.protocols.transport import TransportFactory
from faust_core.protocols.web import WebPlugin

__all__ = [
    "cache_factory",
    "codec",
    "codec_factory",
    "commands",
    "has_store",
    "plain_form",
    "register_cache",
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
    ("caches", "redis"): "faust-store-redis",
    ("caches", "rediss"): "faust-store-redis",
    ("caches", "rediscluster"): "faust-store-redis",
    ("codecs", "msgpack"): "faust-models",
    ("web", "asgi"): "faust-web",
    ("codecs", "yaml"): "'faust-models[yaml]'",
    ("codecs", "zstd"): "'faust-models[zstd]'",
    ("codecs", "avro"): "'faust-schema-registry[avro]'",
    ("codecs", "json-schema"): "faust-schema-registry",
    ("codecs", "protobuf"): "'faust-schema-registry[protobuf]'",
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


def cache_factory(url: str, /) -> CacheFactory:
    """Return what makes caches for the scheme of `url`; raises as `transport_factory` does."""
    return cast("CacheFactory", _find("caches", _scheme(url)))


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


def codec(spec: Any, value_type: Any = None, /, *, topic: str = "", part: Part = "value") -> Codec:
    """Return the codec for values of a type.

    `'json|zlib'` is a chain: the first writes the value, each other one takes the bytes of the one before.

    Args:
        spec: a name, a chain of names, a codec, or what makes one.
        topic, part: of which topic, and whether of its keys or values; some codecs depend on it.

    Raises:
        PluginMissing: there is no codec of that name, or of one of the names.
        ConfigError: the codec cannot carry that type, or cannot be imported.
    """
    if not isinstance(spec, str):
        return _made(spec, value_type, topic, part, shown=repr(spec))
    names = [name.strip() for name in spec.split("|")]
    if not all(names):
        raise ConfigError(f"{spec!r} is no chain of codecs: a name is missing beside '|'")
    codecs = [
        _made(_find("codecs", name), None if at else value_type, topic, part, shown=name)
        for at, name in enumerate(names)
    ]
    return codecs[0] if len(codecs) == 1 else Chain(codecs)


def codec_factory(name: str, /) -> Any:
    """Return what is behind a codec's name: a function that takes options beside the type, or a codec.

    Raises:
        PluginMissing: there is no codec of that name.
    """
    return _find("codecs", name)


def plain_form(value_type: Any, /) -> PlainForm:
    """Return how values of a type look as plain ones; what faust-models knows where it is installed.

    Raises:
        ConfigError: nothing installed knows the type.
    """
    return cast("PlainForm", _find("types", "plain")(value_type))


def _made(plugin: Any, value_type: Any, topic: str, part: Part, *, shown: str) -> Codec:
    """Return the codec that a plug-in is, or makes: a codec, a class of the user's own, or a function."""
    made = plugin
    if callable(plugin) and (isinstance(plugin, type) or not hasattr(plugin, "encode")):
        made = plugin(value_type) if _takes_a_type(plugin) else plugin()
    if (bind := getattr(made, "for_topic", None)) is not None:
        made = bind(topic, part, value_type)
    if not callable(getattr(made, "encode", None)) or not callable(getattr(made, "decode", None)):
        raise ConfigError(f"codec {shown}: {codec_name(made)} has no encode and decode, so it is none")
    return cast("Codec", made)


@functools.lru_cache(maxsize=256)
def _takes_a_type(factory: Any) -> bool:
    # A class with these is the user's own, as the original has them: its arguments are other codecs.
    if isinstance(factory, type) and hasattr(factory, "_dumps"):
        return False
    try:
        parameters = inspect.signature(factory).parameters.values()
    except (TypeError, ValueError):
        return True
    return any(p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD, p.VAR_POSITIONAL) for p in parameters)


def commands() -> Mapping[str, Any]:
    """Load and return all commands for the command line, by name."""
    return {name: _find("commands", name) for name in sorted(_names("commands"))}


def register_transport(scheme: str, factory: TransportFactory, /) -> None:
    """Use `factory` for URLs of `scheme` in this process, whatever is installed."""
    _register("transports", scheme, factory)


def register_store(scheme: str, factory: StoreFactory, /) -> None:
    """Use `factory` for URLs of `scheme` in this process, whatever is installed."""
    _register("stores", scheme, factory)


def register_cache(scheme: str, factory: CacheFactory, /) -> None:
    """Use `factory` for URLs of `scheme` in this process, whatever is installed."""
    _register("caches", scheme, factory)


def register_web(name: str, plugin: WebPlugin, /) -> None:
    """Serve HTTP by `plugin` in this process, whatever is installed, if `name` is `asgi`."""
    _register("web", name, plugin)


def register_codec(name: str, codec: Any, /) -> None:
    """Use `codec`, or what it makes for each type, as the codec `name` in this process, whatever is installed.

    Topics and tables that are declared already keep theirs.

    Raises:
        ConfigError: this can be no name, or this is neither a codec nor a factory.
    """
    is_codec = not isinstance(codec, str) and any(hasattr(codec, method) for method in ("encode", "for_topic"))
    if not callable(codec) and not is_codec:
        raise ConfigError(f"codec {name!r}: {codec!r} is neither a codec nor a function that makes one")
    _register("codecs", name, codec)


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
    shown = f"{kind} for {name}://" if group in ("transports", "stores", "caches") else f"{kind} {name!r}"
    if distribution := _DISTRIBUTIONS.get((group, name)):
        return f"no {shown}: pip install {distribution}"
    names = _names(group)
    known = {*names, *(n for g, n in _DISTRIBUTIONS if g == group)}
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    return f"no {shown}: {hint}installed are {', '.join(sorted(names)) or 'none'}"
