"""Requests, responses, and the pages of an application."""

from faust_web.base import Request, Response
from faust_web.blueprints import BlueprintManager
from faust_web.site import Web

__all__ = ["BlueprintManager", "Request", "Response", "Web"]
