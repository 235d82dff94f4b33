"""Which event is being processed: the one piece of ambient state.

`async for order in orders: table[order.id] += 1` names no partition, so the table asks here.  Set per
batch by the stream, in the context of the task that iterates it; never per event.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from faust_core.claims import Claim

__all__ = ["current_claim"]

current_claim: ContextVar[Claim | None] = ContextVar("faust_current_claim", default=None)
