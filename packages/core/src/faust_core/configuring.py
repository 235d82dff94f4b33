"""How an application gets its settings, and what happens once before it runs: signals, fixups, discovery."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from types import FunctionType, ModuleType
from typing import Any

from faust_core._options import ALIASES
from faust_core._symbols import symbol
from faust_core.discovery import IGNORED, Ignore, import_all
from faust_core.errors import ConfigError
from faust_core.fixups import Fixup, fixups_of
from faust_core.settings import SETTING_NAMES, Settings
from faust_core.signals import ClassSignal

__all__ = ["Configures"]

log = logging.getLogger(__name__)


class Configures:
    """The settings of an application, and the way until they are final."""

    on_before_configured = ClassSignal("on_before_configured")
    on_configured = ClassSignal("on_configured")
    on_after_configured = ClassSignal("on_after_configured")
    on_worker_init = ClassSignal("on_worker_init")

    def __init__(self, conf: Settings) -> None:
        super().__init__()
        self.conf = conf
        self._configured = False
        self._discovered = False
        self._fixups: list[Fixup] | None = None

    @property
    def configured(self) -> bool:
        """Whether the handlers of `on_configured` have been called."""
        return self._configured

    def config_from_object(self, obj: object, *, silent: bool = False, force: bool = False) -> None:
        """Take settings from the attributes of an object, or the items of a dict; names may be in upper case.

        They win over the arguments of `App`; the environment wins over them.

        Args:
            obj: the object, or where it is: `"module"`, `"module:attribute"`.
            silent: a module that does not exist is left out.
            force: also after the settings are final.

        Raises:
            ConfigError: there is no such object, a value cannot be, or the settings are final already.
        """
        if self._configured and not force:
            raise ConfigError(
                f"{self.conf.name}: config_from_object comes after the settings are final: call it beside the "
                "declaration of the application, or with force=True"
            )
        if isinstance(obj, str):
            where = obj
            try:
                obj = symbol(obj, "config_from_object")
            except ConfigError:
                if silent:
                    return
                raise
        else:
            where = getattr(obj, "__name__", None) or type(obj).__name__
        values = _settings_in(obj, where)
        app_id = values.pop("id", None)
        self.conf.update(values)
        if app_id is not None:
            self.conf.id = app_id

    def finalize(self) -> None:
        """Call the handlers of `on_before_configured`, `on_configured` and `on_after_configured`; once.

        Connecting, starting and every command do that.
        """
        if self._configured:
            return
        self._configured = True
        self.on_before_configured.send_now(self)
        self.on_configured.send_now(self, self.conf)
        self.on_after_configured.send_now(self)

    def worker_init(self) -> None:
        """A worker or command begins: set up what fixups are for, then tell `on_worker_init`.

        Raises:
            ConfigError: a framework that is asked for cannot be set up.
        """
        for fixup in self.fixups:
            fixup.on_worker_init()
        self.on_worker_init.send_now(self)

    @property
    def fixups(self) -> list[Fixup]:
        """The frameworks that this program uses, and that are set up with it."""
        if self._fixups is None:
            self._fixups = fixups_of(self)
        return self._fixups

    def discover(
        self,
        *extra_modules: str,
        categories: Iterable[str] = (),  # noqa: ARG002  for existing applications: importing finds all kinds
        ignore: Iterable[Ignore] = IGNORED,
    ) -> None:
        """Import the modules that the setting `autodiscover` says, and these, with all that is inside of packages.

        Args:
            ignore: modules that are left out: their names, patterns, or functions of a name.

        Raises:
            ConfigError: there is no such module, or `autodiscover=True` without `origin`.
            Exception: what importing one of them raised.
        """
        modules = dict.fromkeys((*self._modules_to_discover(), *extra_modules))
        self._discovered = self.conf.autodiscover is not False
        import_all(modules, ignore)

    def discover_once(self) -> None:
        """Likewise, unless that has been done."""
        if not self._discovered:
            self.discover()

    def _modules_to_discover(self) -> Iterable[str]:
        wanted = self.conf.autodiscover
        if wanted is False:
            return
        if callable(wanted):
            named = wanted()
            yield from (name for name in ((named,) if isinstance(named, str) else named or ()) if name)
        elif wanted is not True:
            yield from wanted
        elif self.conf.origin is None:
            raise ConfigError(
                "autodiscover=True needs to know where to begin: App(…, autodiscover=True, origin='package'), or the "
                "names of modules, autodiscover=['package.agents']"
            )
        if self.conf.origin is not None:
            yield self.conf.origin
        for fixup in self.fixups:
            yield from fixup.autodiscover_modules()


def _settings_in(obj: object, where: str) -> dict[str, Any]:
    """Return the settings that an object has; what looks like a misspelt one is said in the log."""
    if isinstance(obj, Mapping):
        items: Mapping[str, Any] = obj
    else:
        items = {name: getattr(obj, name) for name in dir(obj) if not name.startswith("_")}
    exact = {*SETTING_NAMES, *ALIASES, "id"}
    lower = {name.lower(): name for name in exact if name.islower()}
    found: dict[str, Any] = {}
    for key, value in items.items():
        name = key if key in exact else lower.get(key.lower())
        if name is not None:
            if name is key or name not in items:
                found[name] = value
        elif isinstance(obj, Mapping):
            found[key] = value  # refused, with the closest name
        elif not isinstance(value, (ModuleType, FunctionType, type)) and not callable(value):
            close = get_close_matches(key.lower(), lower, n=1, cutoff=0.8)
            if close:
                log.warning("%s has %s, which is no setting: did you mean %s?", where, key, close[0])
    return found
