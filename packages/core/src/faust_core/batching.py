"""Batches: what `take` and its kin collect of one partition, and when they hand it out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from faust_core.claims import Claim, ClaimSource
from faust_core.clock import Clock

__all__ = ["HALTED_S", "Batching"]

#: How soon it is looked again whether a checkpoint is over.
HALTED_S = 0.002


class _Batch:
    """What was collected of one partition so far."""

    __slots__ = ("claims", "deadline", "values")

    def __init__(self, deadline: float) -> None:
        self.deadline = deadline
        self.claims: list[Claim] = []
        self.values: list[Any] = []


class Batching:
    """Collects values into lists of at most `size`; none waits longer than `patience_s`.  A list has one partition."""

    def __init__(
        self, size: int, patience_s: float, *, clock: Clock, manual: bool, enter: Callable[[Claim], None]
    ) -> None:
        """Args:
        manual: a list's items are done when they are acknowledged, not when the next list is asked for.
        enter: called with the claim that is current from now on.
        """
        self._size = size
        self._clock = clock
        self._patience_s = patience_s
        self._manual = manual
        self._enter = enter

    async def run(
        self,
        open_source: Callable[[], Awaitable[ClaimSource]],
        values_of: Callable[[Claim, ClaimSource], AsyncIterator[Any]],
    ) -> AsyncIterator[list[Any]]:
        source = await open_source()
        source.leave_all()
        clock = self._clock
        batches: dict[Any, _Batch] = {}
        in_hand: list[Claim] = []
        try:
            while True:
                deadline = min((batch.deadline for batch in batches.values()), default=None)
                claim = await source.claim(None, deadline_s=deadline)
                if claim is not None:
                    await self._collect(claim, source, batches, values_of)
                now = clock.monotonic()
                for tp in [tp for tp, batch in batches.items() if self._due(batch, now) or source.ended]:
                    task = batches[tp].claims[0].task
                    if task.halted and not task.closed:
                        # A checkpoint is under way; the batch comes behind it.
                        await asyncio.sleep(HALTED_S)
                        continue
                    batch = batches.pop(tp)
                    in_hand = batch.claims
                    if batch.values and not task.closed:
                        for held in in_hand:
                            held.buffered = False
                            held.index = held.start
                            if self._manual:
                                self._hold(held, source)
                        self._enter(in_hand[-1])
                        yield batch.values
                        for held in in_hand:
                            if held.after is not None:
                                await held.after()
                    for held in in_hand:
                        held.held = False
                        held.index = held.stop
                        source.release(held)
                    in_hand = []
                if source.ended and not batches:
                    return
        except GeneratorExit:
            for held in [*in_hand, *(held for batch in batches.values() for held in batch.claims)]:
                source.leave(held)
            raise

    def _due(self, batch: _Batch, now: float) -> bool:
        return len(batch.values) == self._size or batch.deadline <= now

    async def _collect(
        self,
        claim: Claim,
        source: ClaimSource,
        batches: dict[Any, _Batch],
        values_of: Callable[[Claim, ClaimSource], AsyncIterator[Any]],
    ) -> None:
        claim.held = claim.buffered = True
        batch = batches.setdefault(claim.tp, _Batch(self._clock.monotonic() + self._patience_s))
        if len(batch.values) == self._size:
            source.release(claim)
            return
        batch.claims.append(claim)
        self._enter(claim)
        async for value in values_of(claim, source):
            claim.taken.append(claim.index)
            batch.values.append(value)
            if len(batch.values) == self._size:
                claim.index += 1
                source.trim(claim)
                break

    def _hold(self, claim: Claim, source: ClaimSource) -> None:
        for index in claim.taken:
            claim.index = index
            source.hold(claim)
        claim.index = claim.start
