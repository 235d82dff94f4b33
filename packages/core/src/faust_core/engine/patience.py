"""Waiting for a broker that is away, where giving up would end the worker."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from faust_core.errors import RetriableTransportError

__all__ = ["patiently"]

log = logging.getLogger(__name__)

T = TypeVar("T")

RETRY_S = 0.5


async def patiently(attempt: Callable[[], Awaitable[T]]) -> T:
    """Return what `attempt` returns; try again, as long as it takes, when it fails for the moment."""
    while True:
        try:
            return await attempt()
        except RetriableTransportError as exc:
            log.warning("the broker is away, trying again: %s", exc)
            await asyncio.sleep(RETRY_S)
