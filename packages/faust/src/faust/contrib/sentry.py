"""Errors for Sentry."""

from faust_sensors.sentry import handler_from_dsn, setup

__all__ = ["handler_from_dsn", "setup"]
