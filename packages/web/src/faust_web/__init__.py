"""A stream processor over HTTP: pages of its own, questions to its tables, whether it is healthy and ready.

`faust worker` serves it; `app.asgi()` is the same as an ASGI application, to be mounted in another one.
"""

from faust_web.application import make_application
from faust_web.base import Request, Response
from faust_web.blueprints import Blueprint
from faust_web.cache import Cache
from faust_web.cors import ResourceOptions
from faust_web.plugin import plugin
from faust_web.site import Web
from faust_web.views import View, gives_model, takes_model

__all__ = [
    "Blueprint",
    "Cache",
    "Request",
    "ResourceOptions",
    "Response",
    "View",
    "Web",
    "gives_model",
    "make_application",
    "plugin",
    "takes_model",
]
