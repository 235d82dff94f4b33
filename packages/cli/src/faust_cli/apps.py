"""Finding the application that `-A` names, and fitting its settings to the command line."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import traceback
from difflib import get_close_matches
from pathlib import Path
from types import ModuleType
from typing import Any

import faust_core
from faust_cli.failures import CommandFailed
from faust_core.app import App
from faust_core.errors import FaustError

__all__ = ["broker_urls", "find_app", "is_embedded", "prepare", "set_datadir", "without_secrets"]

ATTRIBUTE = "app"
SHOWN_FRAMES = 3


def find_app(where: str | None, *, debug: bool = False) -> App:
    """Import the application `module` or `module:attribute`; of a package also `package.app:app`.

    Raises:
        CommandFailed: no such module or attribute, it is no App, or the import raised; the end of the
            import's traceback is part of the message.
    """
    if not where:
        raise CommandFailed("which application? Say -A MODULE[:ATTR], such as -A shop.orders:app, or set FAUST_APP")
    module_name, _, path = where.partition(":")
    if not module_name or module_name.endswith(".py") or "/" in module_name:
        raise CommandFailed(f"-A {where}: name a module, as `import` does, such as -A shop.orders:app")
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    module = _import(module_name, where, debug=debug)
    if not path:
        path = ATTRIBUTE
        if isinstance(getattr(module, ATTRIBUTE, None), (ModuleType, type(None))) and hasattr(module, "__path__"):
            module = _submodule(module, where, debug=debug)
    found: Any = module
    for name in path.split("."):
        if not hasattr(found, name):
            raise CommandFailed(_missing_attribute(where, module, path))
        found = getattr(found, name)
    if not isinstance(found, App):
        raise CommandFailed(f"-A {where}: {module.__name__}:{path} is no App, but a {type(found).__name__}")
    return found


def _import(name: str, where: str, *, debug: bool) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as exc:
        if exc.name and (name == exc.name or name.startswith(f"{exc.name}.")):
            module, _, attribute = exc.name.rpartition(".")
            hint = f"; if {attribute!r} is an attribute, say -A {module}:{attribute}" if module else ""
            raise CommandFailed(
                f"-A {where}: there is no module {exc.name!r} in {Path.cwd()}, nor is one installed{hint}"
            ) from exc
        raise CommandFailed(_import_failed(where, name, exc, debug=debug)) from exc
    except Exception as exc:
        raise CommandFailed(_import_failed(where, name, exc, debug=debug)) from exc


def _submodule(package: ModuleType, where: str, *, debug: bool) -> ModuleType:
    name = f"{package.__name__}.{ATTRIBUTE}"
    if importlib.util.find_spec(name) is None:
        return package
    return _import(name, where, debug=debug)


def _import_failed(where: str, name: str, error: Exception, *, debug: bool) -> str:
    """Show where an import raised: the end of the traceback, without the frames of the import machinery.

    Faust's own frames are left out of Faust's own errors, which are about the line that called it.
    """
    machinery = str(Path(importlib.__file__).parent)
    engine = str(Path(faust_core.__file__).parent) if isinstance(error, FaustError) else machinery
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith(("<frozen importlib", machinery, engine, __file__))
    ]
    last = "".join(traceback.format_exception_only(error)).rstrip()
    shown = "".join(traceback.format_list(frames if debug else frames[-SHOWN_FRAMES:]))
    return f"-A {where}: importing {name} failed:\n{shown}{last}"


def _missing_attribute(where: str, module: ModuleType, path: str) -> str:
    apps = [name for name, value in vars(module).items() if isinstance(value, App)]
    close = get_close_matches(path, apps, n=1) or apps[:1]
    hint = f"; did you mean -A {module.__name__}:{close[0]}?" if close else ", and nothing in it is an App"
    return f"-A {where}: module {module.__name__} has no {path!r}{hint}"


def prepare(app: App, where: str | None, *, debug: bool = False) -> None:
    """Let an application whose settings are final set up fixups, and import what `autodiscover` finds.

    Raises:
        CommandFailed: importing one of these modules raised.
        FaustError: what is wrong with the settings.
    """
    if app.conf.autodiscover is True and app.conf.origin is None and where:
        app.conf.change(origin=where.partition(":")[0], quietly=True)
    try:
        app.worker_init()
        app.discover_once()
    except FaustError:
        raise
    except Exception as exc:
        raise CommandFailed(_import_failed(where or app.id, "what autodiscover says", exc, debug=debug)) from exc


def set_datadir(app: App, datadir: Path, *, explicit: bool = True) -> None:
    """Move an application's local state, before it is started.

    Args:
        explicit: as if the setting had been given, so that tables are kept on disk where that is possible.
    """
    app.conf.change(datadir=datadir, quietly=not explicit)


def set_web(app: App, **given: Any) -> None:
    """Change settings of HTTP, before the application is started; None leaves one as it is."""
    values = {name: value for name, value in given.items() if value is not None}
    if values:
        app.conf.change(**values)


def is_embedded(app: App) -> bool:
    """Whether the broker lives inside the application's own process, where nobody else can reach it."""
    return app.conf.broker[0].startswith("memory:")


def broker_urls(app: App) -> str:
    return ";".join(without_secrets(url) for url in app.conf.broker)


def without_secrets(url: str) -> str:
    """Return a URL without user, password and query."""
    scheme, separator, rest = url.partition("://")
    return f"{scheme}{separator}{rest.rpartition('@')[2].partition('?')[0]}"
