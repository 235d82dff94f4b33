"""A stream processor over HTTP: questions to its tables, whether it is healthy, whether it is ready.

`faust worker` serves it; `app.asgi()` is the same as an ASGI application, to be mounted in another one.
"""

from faust_web.application import make_application
from faust_web.plugin import plugin

__all__ = ["make_application", "plugin"]
