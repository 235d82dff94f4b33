"""What faust-core finds in this package."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from faust_core.protocols.queries import Peers, Served
from faust_core.protocols.web import AsgiApplication, WebContext, WebHost, WebPlugin, WebServer
from faust_web.application import make_application
from faust_web.peers import HttpPeers
from faust_web.server import Server
from faust_web.site import Web

__all__ = ["Plugin", "plugin"]


class Plugin:
    """Makes the parts."""

    def web(self, host: WebHost, /) -> Web:
        return Web(host)

    def application(self, served: Served, context: WebContext, web: Any = None, /) -> AsgiApplication:
        return make_application(served, context, web)

    def server(self, served: Served, context: WebContext, web: Any = None, /) -> WebServer:
        return Server(served, context, web)

    def peers(self, context: WebContext, /) -> Peers:
        return HttpPeers(context)


plugin = Plugin()

if TYPE_CHECKING:
    _: type[WebPlugin] = Plugin
