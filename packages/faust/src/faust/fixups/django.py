"""Django: where DJANGO_SETTINGS_MODULE is set, it is set up before the application's modules are imported."""

from __future__ import annotations

import importlib
import importlib.util
import logging
import os
import sysconfig
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from faust_core.errors import ConfigError
from faust_core.fixups import Fixup as FixupProtocol

__all__ = ["Fixup"]

log = logging.getLogger(__name__)

VARIABLE = "DJANGO_SETTINGS_MODULE"


class Fixup:
    """Sets Django up, and has `autodiscover` look into the project's own apps.

    Apps that are installed packages, and Django's own, are not looked into, unless `autodiscover` names them.
    """

    def __init__(self, app: Any) -> None:
        self.app = app

    def enabled(self) -> bool:
        """Whether DJANGO_SETTINGS_MODULE is set and Django is installed."""
        if not os.environ.get(VARIABLE):
            return False
        if importlib.util.find_spec("django") is None:
            log.warning("%s is set, and Django is not installed: pip install django", VARIABLE)
            return False
        return True

    def on_worker_init(self) -> None:
        """Set Django up.

        Raises:
            ConfigError: the settings module does not exist.
        """
        django: Any = importlib.import_module("django")
        module = os.environ[VARIABLE]
        try:
            django.setup()
        except ModuleNotFoundError as exc:
            if exc.name is not None and (module == exc.name or module.startswith(f"{exc.name}.")):
                raise ConfigError(f"{VARIABLE}={module}: there is no module {exc.name!r}") from exc
            raise

    def autodiscover_modules(self) -> Iterable[str]:
        """Return the project's own apps."""
        apps: Any = importlib.import_module("django.apps").apps
        paths = sysconfig.get_paths()
        installed = {Path(paths["purelib"]), Path(paths["platlib"])}
        for config in apps.get_app_configs():
            if not installed.intersection(Path(config.path).parents):
                yield config.name


if TYPE_CHECKING:
    _: type[FixupProtocol] = Fixup
