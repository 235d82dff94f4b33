"""Errors for Sentry: what is logged, with the record that it is about."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

from faust_core.errors import DecodeError
from faust_core.events import current_event
from faust_sensors.clients import client

__all__ = ["handler_from_dsn", "setup"]


def handler_from_dsn(
    dsn: str | None = None,
    workers: int = 5,  # noqa: ARG001  the client has a thread of its own
    include_paths: Iterable[str] | None = None,
    loglevel: int | None = None,
    qsize: int = 1000,
    **options: Any,
) -> logging.Handler | None:
    """Return a log handler that sends records from `loglevel` on (WARNING where None); None without a `dsn`.

    Args:
        include_paths: modules that are shown as the program's own.
        qsize: events that may wait to be sent; further ones are dropped.
        options: of `sentry_sdk.init`.

    Raises:
        PluginMissing: sentry_sdk is not installed.
    """
    if not dsn:
        return None
    sentry = client("sentry_sdk", "sentry", "faust.contrib.sentry")
    integrations = client("sentry_sdk.integrations.logging", "sentry", "faust.contrib.sentry")
    # Its own handling of the log would send each error twice.
    quiet = integrations.LoggingIntegration(level=None, event_level=None)
    options.setdefault("integrations", []).append(quiet)
    sentry.init(dsn=dsn, in_app_include=list(include_paths or ()), transport_queue_size=qsize, **options)

    base: Any = integrations.EventHandler

    class Handler(base):  # type: ignore[misc]  # known when it is imported
        """Adds where the event in hand comes from."""

        def emit(self, record: logging.LogRecord) -> None:
            try:
                with sentry.new_scope() as scope:
                    add_place(scope)
                    super().emit(record)
            except Exception:  # noqa: BLE001  a log call must not fail what it is about
                self.handleError(record)

    handler: logging.Handler = Handler(level=logging.WARNING if loglevel is None else loglevel)
    return handler


def add_place(scope: Any) -> None:
    """Add the topic, partition and offset of the event in hand; nothing where there is none, or it has no value."""
    try:
        event = current_event()
    except DecodeError:
        return  # its error says where it is
    if event is not None:
        message = event.message
        scope.set_tag("faust.app", event.app.conf.id)
        scope.set_tag("faust.topic", message.topic)
        scope.set_tag("faust.partition", message.partition)
        scope.set_extra("faust.offset", message.offset)


def setup(
    app: Any,
    *,
    dsn: str | None = None,
    workers: int = 4,
    max_queue_size: int = 1000,
    loglevel: int | None = None,
    **options: Any,
) -> logging.Handler | None:
    """Send what is logged to Sentry: errors of agents, timers and the engine.  Without a `dsn` nothing is done.

    Returns the handler, which is attached to the root logger.

    Raises:
        PluginMissing: sentry_sdk is not installed.
    """
    handler = handler_from_dsn(dsn, workers=workers, qsize=max_queue_size, loglevel=loglevel, **options)
    if handler is None:
        return None
    client("sentry_sdk", "sentry", "faust.contrib.sentry").get_global_scope().set_tag("faust.app", app.conf.id)
    logging.getLogger().addHandler(handler)
    return handler
