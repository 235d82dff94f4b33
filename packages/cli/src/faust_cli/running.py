"""Running coroutines from a command, and reaching the broker from one."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from faust_cli.apps import broker_urls, is_embedded
from faust_cli.failures import CommandFailed

if TYPE_CHECKING:
    from faust_core.app import App
    from faust_core.protocols.transport import Admin

__all__ = ["admin_of", "be_impatient", "run"]

T = TypeVar("T")

#: A person waits for the answer: seconds until the broker counts as away.
PATIENCE_S = 5.0


def run(main: Coroutine[Any, Any, T], *, loop: str = "aio") -> T:
    """Run a coroutine on the event loop that `-L` names."""
    try:
        factory = _loop_factory(loop)
    except CommandFailed:
        main.close()
        raise
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(main)


def _loop_factory(name: str) -> Callable[[], asyncio.AbstractEventLoop] | None:
    if name == "aio":
        return None
    try:
        factory: Callable[[], asyncio.AbstractEventLoop] = importlib.import_module("uvloop").new_event_loop
    except ImportError as exc:
        raise CommandFailed("-L uvloop: it is not installed: pip install uvloop") from exc
    return factory


def be_impatient(app: App) -> None:
    """Have the broker answer within seconds, or not at all."""
    app.conf = app.conf.with_options(broker_start_timeout=min(PATIENCE_S, app.conf.broker_start_timeout), quietly=True)


@asynccontextmanager
async def admin_of(app: App) -> AsyncIterator[Admin]:
    """Connect to the application's broker for questions.

    Raises:
        CommandFailed: the broker is inside another process.
        TransportError: it cannot be reached, or refuses.
    """
    if is_embedded(app):
        raise CommandFailed(f"{broker_urls(app)} is inside the process of a worker: out of reach from here")
    be_impatient(app)
    transport = app.make_transport()
    try:
        await transport.check()
        admin = transport.admin()
        try:
            yield admin
        finally:
            await admin.aclose()
    finally:
        await transport.aclose()
