"""Which event is being processed: the one piece of ambient state.

`async for order in orders: table[order.id] += 1` names no partition, so the table asks here.  Set per
batch by the stream, in the context of the task that iterates it; never per event.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from faust_core.claims import Claim

__all__ = ["Run", "current_claim", "current_run"]

current_claim: ContextVar[Claim | None] = ContextVar("faust_current_claim", default=None)


class Run:
    """One attempt of an actor or job; after an error the same `who` gets another one."""

    def __init__(self, who: object) -> None:
        self.who = who


#: Whose streams are opened: the next attempt goes on with those of the one before.
current_run: ContextVar[Run | None] = ContextVar("faust_current_run", default=None)
