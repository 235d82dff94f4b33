"""Actors: the running instances of agents, and what is done when one raises."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, cast

from faust_core._context import current_claim
from faust_core.agents import Agent
from faust_core.claims import Claim
from faust_core.engine.dead_letters import DeadLetters
from faust_core.engine.rpc import reply_error
from faust_core.engine.subscription import Subscription
from faust_core.stream import FromSource, Stream, StreamRuntime

__all__ = ["ActorRunner", "Policy"]

log = logging.getLogger(__name__)

MAX_BACKOFF_S = 30.0


class Policy:
    """What is done with an event whose body raised, and how often it was tried."""

    def __init__(self, name: str, *, retries: int, backoff_s: float, dead_letters: DeadLetters) -> None:
        self._name = name
        self._retries = retries
        self._backoff_s = backoff_s
        self._dead_letters = dead_letters
        self._attempts: dict[tuple[str, int, int], int] = {}

    async def settle(self, claims: list[Claim], error: Exception, who: str) -> None:
        """Carry the policy out for the items in hand; afterwards they are done, or stand to be tried again.

        Raises:
            Exception: `error` itself where the policy is `crash`, or where the dead letter cannot be written.
        """
        for claim in claims:
            while claim.index < claim.stop:
                if not await self._settle_one(claim, error, who):
                    break
                claim.index += 1
                if not claim.held:
                    break
            claim.held = False

    async def _settle_one(self, claim: Claim, error: Exception, who: str) -> bool:
        """Return whether the item is done."""
        if self._name == "crash":
            raise error
        if self._name == "retry":
            at = (claim.tp.topic, claim.tp.partition, claim.offset)
            tried = self._attempts[at] = self._attempts.get(at, 0) + 1
            if tried <= self._retries:
                delay = min(self._backoff_s * 2 ** (tried - 1), MAX_BACKOFF_S)
                log.warning("%s: attempt %d at %s failed, again in %.1f s: %r", who, tried, claim, delay, error)
                await asyncio.sleep(delay)
                return False
            del self._attempts[at]
        if self._name == "skip":
            log.error("%s: skipped %s: %r", who, claim, error, exc_info=error)
            return True
        await self._dead_letters.write(claim.record(), error, who)
        return True


class ActorRunner:
    """Runs one actor of an agent: its function over a stream, again after each error."""

    def __init__(
        self,
        agent: Agent[Any],
        subscription: Subscription,
        runtime: StreamRuntime,
        policy: Policy,
        emit: Callable[[Agent[Any], Claim | None, Any], Awaitable[None]],
        *,
        index: int = 0,
    ) -> None:
        self.agent = agent
        self.subscription = subscription
        self._runtime = runtime
        self._policy = policy
        self._emit = emit
        self.name = agent.name if agent.concurrency == 1 else f"{agent.name}[{index}]"
        self.errors = 0

    def stream(self) -> Stream[Any]:
        return Stream(
            FromSource(self.agent.topic, self.subscription),
            lambda: self._runtime,
            owner=self.agent.name,
            shared=self.agent.concurrency > 1,
        )

    async def run(self) -> None:
        """Run until cancelled, or until the function returns.

        Raises:
            Exception: what the function raised, where the policy is `crash`.
        """
        while True:
            # A context of its own for each attempt, in which the streams leave their claims.
            current_claim.set(None)
            try:
                await self._once()
            except asyncio.CancelledError:
                raise
            except Exception as exc:  # noqa: BLE001  whatever user code raises
                self.errors += 1
                await self._failed(exc)
            else:
                log.info("agent %s returned: it reads no further", self.name)
                return

    async def _once(self) -> None:
        result = self.agent.function(self.stream())
        if self.agent.yields or hasattr(result, "__aiter__"):
            results = cast("AsyncIterator[Any]", result)
            async for value in results:
                await self._emit(self.agent, current_claim.get(), value)
        else:
            await result
        claim = current_claim.get()
        if claim is not None and claim.index < claim.stop:
            # It left the loop by `break` or `return`: its last item is done, as its body is.
            claim.index += 1
            claim.source.release(claim)

    async def _failed(self, error: Exception) -> None:
        claim = current_claim.get()
        if claim is None or claim.index >= claim.stop:
            # Not about an event: the function's own beginning or end.
            log.error("agent %s raised outside of an event", self.name, exc_info=error)
            if self.agent.policy == "crash":
                raise error
            await asyncio.sleep(1.0)
            return
        claims = [claim]
        if claim.held:
            claims = [other for other in claim.source.claims() if other.held and other.tp == claim.tp]
        if claim.task.closed:
            log.info("agent %s: %s was taken away while its event was being processed", self.name, claim.tp)
            return
        if self.agent.error_callback is not None:
            verdict = self.agent.error_callback(self.agent, error)
            if inspect.isawaitable(verdict):
                await verdict
        await reply_error(self.agent, claim, error)
        for item in claims:
            if item.held:
                item.index = item.start
        await self._policy.settle(claims, error, f"agent {self.name}")
        for item in claims:
            item.source.release(item)
