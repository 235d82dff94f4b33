"""FastAPI: the same as any ASGI application."""

from faust.contrib.asgi import FaustLifespanMiddleware, faust_app_running, faust_lifespan, serve_asgi

__all__ = ["FaustLifespanMiddleware", "faust_app_running", "faust_lifespan", "serve_asgi"]
