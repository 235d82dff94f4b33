"""The worker's way to HTTP: a server for those who ask, and a client for other workers; faust-web has both."""

from __future__ import annotations

import logging
from typing import Any

from faust_core.errors import PluginMissing
from faust_core.protocols.queries import Peers, Served
from faust_core.protocols.web import WebServer
from faust_core.registry import web_plugin
from faust_core.settings import Settings

__all__ = ["Web"]

log = logging.getLogger(__name__)


class Web:
    """Owned by the worker: `bind` before it joins its group, `run` as one of its tasks, `aclose` at the end.

    Attributes:
        endpoint: the URL at which others can ask this worker; None where it cannot be asked.
        peers: the way to others; None where faust-web is not installed.
    """

    def __init__(self, served: Served, conf: Settings, *, serve: bool | None, pages: Any = None) -> None:
        """Args:
            pages: those of the application, `app.web`; None where it has none.
            serve: whether to listen; None: only where the setting `web_enabled` was set to true.

        Raises:
            PluginMissing: it was told to serve, and faust-web is not installed.
        """
        told = conf.web_enabled and "web_enabled" in conf.explicit
        wanted = told if serve is None else serve
        plugin = web_plugin()
        context = conf.web_context()
        self._unix_path = context.unix_path
        if plugin is None and wanted and told:
            raise PluginMissing("web_enabled is set, and there is nothing to serve HTTP with: pip install faust-web")
        self.endpoint: str | None = context.canonical_url  # mounted elsewhere, where nothing is served here
        self.peers: Peers | None = None if plugin is None else plugin.peers(context)
        self._server: WebServer | None = (
            plugin.server(served, context, pages) if plugin is not None and wanted else None
        )

    @property
    def serves(self) -> bool:
        return self._server is not None

    async def bind(self) -> None:
        """Listen.

        Raises:
            ConfigError: the address cannot be listened at.
        """
        if self._server is not None:
            self.endpoint = await self._server.bind()
            log.info("serving HTTP at %s", self.endpoint or self._unix_path)

    async def run(self) -> None:
        """Serve until cancelled."""
        assert self._server is not None
        await self._server.run()

    async def aclose(self) -> None:
        if self._server is not None:
            await self._server.aclose()
