"""Classes and other objects by where they are: `package.module:name`."""

from __future__ import annotations

import importlib
from typing import Any, TypeVar

from faust_core.errors import ConfigError

__all__ = ["subclass_of", "symbol"]

T = TypeVar("T")


def symbol(path: str, what: str) -> Any:
    """Import `package.module:name` or `package.module.name`; without a name the module.

    Args:
        what: names in errors what it was given for.

    Raises:
        ConfigError: there is no such module or name.
    """
    module_name, colon, name = path.partition(":")
    if not module_name:
        raise ConfigError(f"{what}: {path!r} names no module: write it as in 'shop.settings:Config'")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as exc:
        if exc.name is None or not (module_name == exc.name or module_name.startswith(f"{exc.name}.")):
            raise  # the module is there, and imports what is not
        parent, _, last = module_name.rpartition(".")
        if colon or not parent:
            raise ConfigError(f"{what}: there is no module {exc.name!r}") from exc
        return symbol(f"{parent}:{last}", what)
    found: Any = module
    for part in name.split(".") if name else ():
        try:
            found = getattr(found, part)
        except AttributeError as exc:
            raise ConfigError(f"{what}: {module_name} has no {name!r}") from exc
    return found


def subclass_of(base: type[T], given: Any, setting: str) -> type[T]:
    """Return the class that a setting names, or `base` where it names none.

    Raises:
        ConfigError: there is no such class, or it is no subclass of `base`.
    """
    if given is None:
        return base
    found = symbol(given, f"setting {setting}") if isinstance(given, str) else given
    if not (isinstance(found, type) and issubclass(found, base)):
        raise ConfigError(f"setting {setting} = {given!r} is no subclass of faust.{base.__name__}")
    return found
