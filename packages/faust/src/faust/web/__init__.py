"""Web pages of an application."""

from faust_web import Blueprint, Cache, Request, ResourceOptions, Response, View, Web, gives_model, takes_model

__all__ = [
    "Blueprint",
    "Cache",
    "Request",
    "ResourceOptions",
    "Response",
    "View",
    "Web",
    "gives_model",
    "takes_model",
]
