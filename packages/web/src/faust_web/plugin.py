"""What faust-core finds in this package."""

from __future__ import annotations

from typing import TYPE_CHECKING

from faust_core.protocols.queries import Peers, Served
from faust_core.protocols.web import AsgiApplication, WebContext, WebPlugin, WebServer
from faust_web.application import make_application
from faust_web.peers import HttpPeers
from faust_web.server import Server

__all__ = ["Plugin", "plugin"]


class Plugin:
    """Makes the parts."""

    def application(self, served: Served, context: WebContext, /) -> AsgiApplication:
        return make_application(served, context)

    def server(self, served: Served, context: WebContext, /) -> WebServer:
        return Server(served, context)

    def peers(self, context: WebContext, /) -> Peers:
        return HttpPeers(context)


plugin = Plugin()

if TYPE_CHECKING:
    _: type[WebPlugin] = Plugin
