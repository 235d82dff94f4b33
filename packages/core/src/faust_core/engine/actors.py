"""Actors: the running instances of agents, and what is done when one raises."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, cast

from faust_core._context import Run, current_claim, current_run
from faust_core.agents import ActorInfo, Agent
from faust_core.application import AppProtocol
from faust_core.claims import Claim
from faust_core.engine.dead_letters import DeadLetterFailed, DeadLetters, UndecodableRecord
from faust_core.engine.replies import Replies, reply_error
from faust_core.engine.subscription import Subscription
from faust_core.engine.watchdog import stack_of
from faust_core.errors import ConfigError, NotOwned, PartitionsMismatch, StoreError
from faust_core.stream import FromSource, Stream, StreamRuntime
from faust_core.supervision import POLICIES

__all__ = ["ActorRunner", "Policy"]

log = logging.getLogger(__name__)

MAX_BACKOFF_S = 30.0
OUTSIDE_BACKOFF_S = 1.0
#: of how many failed items the number of attempts is known
MAX_REMEMBERED = 10_000


class Policy:
    """What is done with an event whose body raised, and how often it was tried."""

    def __init__(
        self, name: str, *, retries: int, backoff_s: float, dead_letters: DeadLetters, app: AppProtocol
    ) -> None:
        self._app = app
        self._name = name
        self._retries = retries
        self._backoff_s = backoff_s
        self._dead_letters = dead_letters
        self._attempts: dict[tuple[str, int, int], int] = {}

    async def settle(
        self,
        claims: list[Claim],
        error: Exception,
        who: str,
        tell: Callable[[Claim, Exception], Awaitable[None]] | None = None,
        *,
        verdict: str | None = None,
    ) -> None:
        """Carry the policy out for the items in hand; afterwards they are done, or stand to be tried again.

        Args:
            claims: all that the failed body had in hand; they are tried again together.
            tell: called for each item that is not tried again.
            verdict: another policy, for this error.

        Raises:
            Exception: `error` itself where the policy is `crash`, or where the dead letter cannot be written.
        """
        self._app.saw_error(who, error)
        policy = verdict or self._name
        if policy == "crash" or isinstance(error, (DeadLetterFailed, UndecodableRecord)):
            raise error
        # A partition that was to be changed may be this worker's in a moment: they are restored one by one.
        if (policy == "retry" or isinstance(error, NotOwned)) and await self._tries_again(claims[0], error, who):
            return
        for claim in claims:
            for index in claim.taken if claim.held and not claim.buffered else [claim.index]:
                claim.index = index
                if claim.manual and not claim.source.is_open(claim, claim.offset):
                    log.error("%s: raised after %s was acknowledged, which is done: %r", who, claim, error)
                    continue
                if tell is not None:
                    await tell(claim, error)
                if policy == "skip":
                    log.error("%s: skipped %s: %r", who, claim, error, exc_info=error)
                else:
                    await self._dead_letters.write(claim.record(), error, who)
                claim.source.ack(claim, claim.offset)
            if claim.held and not claim.buffered:
                claim.held = False
                claim.index = claim.stop
            else:
                claim.index += 1

    async def _tries_again(self, claim: Claim, error: Exception, who: str) -> bool:
        """Wait and return True while there are attempts left."""
        at = (claim.tp.topic, claim.tp.partition, claim.offset)
        tried = self._attempts.pop(at, 0) + 1
        if tried > self._retries:
            return False
        self._attempts[at] = tried
        if len(self._attempts) > MAX_REMEMBERED:
            del self._attempts[next(iter(self._attempts))]  # the oldest: it has succeeded, most likely
        delay = min(self._backoff_s * 2 ** (tried - 1), MAX_BACKOFF_S)
        log.warning("%s: attempt %d at %s failed, again in %.1f s: %r", who, tried, claim, delay, error)
        await self._app.clock.sleep(delay)
        return True


class ActorRunner:
    """Runs one actor of an agent: its function over a stream, again after each error."""

    def __init__(
        self,
        agent: Agent[Any],
        subscription: Subscription,
        runtime: StreamRuntime,
        policy: Policy,
        emit: Callable[[Agent[Any], Any], Awaitable[None]],
        claims_of: Callable[[asyncio.Task[Any] | None], list[Claim]],
        store_failed: Callable[[StoreError], None],
        *,
        name: str,
        index: int | None = None,
    ) -> None:
        """Args:
        store_failed: has this actor cancelled, and its event repeated.
        """
        self.agent = agent
        self.subscription = subscription
        self._runtime = runtime
        self._policy = policy
        self._emit = emit
        self._claims_of = claims_of
        self._store_failed = store_failed
        self.name = name
        self._index = index
        self._replies = Replies(agent, claims_of)
        self._failures_outside = 0
        self.errors = 0
        self.state = "working"
        #: for good: it is not started again
        self.cancelled = False

    def stream(self) -> Stream[Any]:
        return Stream(
            FromSource(self.subscription.topic, self.subscription),
            lambda: self._runtime,
            owner=self.agent.name,
            shared=self.agent.concurrency > 1 or self.agent.isolated_partitions,
            concurrency_index=self._index,
            processors=self.agent.topic.processors,
        )

    def info(self, task: asyncio.Task[Any]) -> ActorInfo:
        """Describe it; `task` is what runs it."""
        state = "stopped" if task.done() else "waiting" if task in self.subscription.waiters else self.state
        claims = [claim for claim in self._claims_of(task) if claim.index < claim.stop] if state == "working" else []
        return ActorInfo(self.name, state, str(claims[0]) if claims else None, self.errors, stack_of(task))

    async def run(self) -> None:
        """Run until cancelled, or until the function returns.

        Raises:
            Exception: what the function raised, where the policy is `crash`.
        """
        while True:
            # A context of its own for each attempt, in which the streams leave their claims.
            current_claim.set(None)
            current_run.set(Run(self))
            try:
                await self._once()
            except asyncio.CancelledError:
                if self.cancelled and self.subscription.topic.in_memory:
                    self.subscription.actor_returned()  # nobody who puts waits for it
                raise
            except Exception as exc:  # noqa: BLE001  whatever user code raises
                self.errors += 1
                await self._failed(exc)
            else:
                log.warning("agent %s returned, and reads no further: is its code behind an `async for`?", self.name)
                self.state = "stopped"
                self.subscription.actor_returned()
                return

    async def _once(self) -> None:
        result = self.agent.function(self.stream())
        if self.agent.yields or hasattr(result, "__aiter__"):
            results = cast("AsyncIterator[Any]", result)
            async for value in results:
                await self._emit(self.agent, value)
                claim = current_claim.get()
                if claim is not None:
                    await self._replies.value(claim, value)
        elif inspect.isawaitable(result):
            await result
        else:
            raise ConfigError(
                f"agent {self.name} cannot wait for records: calling it returned {result!r}; write `async def`"
            )
        for claim in self._claims_of(asyncio.current_task()):
            # It left the loop by `break` or `return`: its last item is done, as its body is.
            claim.source.leave(claim)

    async def _failed(self, error: Exception) -> None:
        claim = current_claim.get()
        mine = self._claims_of(asyncio.current_task())
        for item in mine:
            item.failed = True
            item.drop_attached()
        try:
            if claim is not None and claim.task.closed:
                log.info("agent %s: %s was taken away while its event was being processed", self.name, claim.tp)
            elif in_hand := [item for item in mine if item is claim or not item.buffered]:
                await self._event_failed(in_hand, error)
            else:
                await self._failed_outside(error)
        finally:
            for item in mine:
                item.source.release(item)

    async def _failed_outside(self, error: Exception) -> None:
        """Not about an event: the function's own beginning or end."""
        self.agent.app.saw_error(f"agent {self.name}", error)
        log.error("agent %s raised outside of an event", self.name, exc_info=error)
        if self.agent.policy == "crash" or isinstance(error, ConfigError):
            raise error
        delay = min(OUTSIDE_BACKOFF_S * 2**self._failures_outside, MAX_BACKOFF_S)
        self._failures_outside += 1
        self.state = "restarting"
        await self.agent.app.clock.sleep(delay)
        self.state = "working"
        #: for good: it is not started again
        self.cancelled = False

    async def _event_failed(self, claims: list[Claim], error: Exception) -> None:
        if isinstance(error, PartitionsMismatch):
            raise error  # no event could do better
        await self._wait_for_store(error)
        current = current_claim.get()
        claims.sort(key=lambda item: item is not current)
        for item in claims:
            if item.held and not item.buffered:
                item.index = item.start
        failing = [item.index for item in claims]
        await self.settle(claims, error, f"agent {self.name}")
        for item, index in zip(claims, failing, strict=True):
            if item.buffered and item.index > index:
                # Raised while `take` was collecting: the other items have yet to be worked on.
                item.source.trim(item)
                item.stop = index

    async def settle(self, claims: list[Claim], error: Exception, who: str) -> None:
        """Carry the agent's policy out, as `Policy.settle`; its `on_error` function and whoever asked are told."""
        await self._wait_for_store(error)
        verdict = await self._tell(error)
        self._failures_outside = 0
        await self._policy.settle(claims, error, who, self._reply_error, verdict=verdict)

    async def _wait_for_store(self, error: Exception) -> None:
        """Where a store failed, wait to be cancelled: it is not the event's fault.

        It stays in hand, so that no checkpoint takes the half that was done of it.
        """
        if isinstance(error, StoreError):
            self._store_failed(error)
            await asyncio.Event().wait()

    async def _tell(self, error: Exception) -> str | None:
        """Tell the agent's `on_error`; returns the policy that it says."""
        if self.agent.error_callback is None:
            return None
        try:
            verdict = self.agent.error_callback(self.agent, error)
            if inspect.isawaitable(verdict):
                verdict = await verdict
            if verdict in POLICIES:
                return str(verdict)
            if verdict is not None:
                log.error("on_error of agent %s returned %r, none of %s", self.name, verdict, ", ".join(POLICIES))
        except Exception:
            log.exception("on_error of agent %s raised itself; the event goes the way of its policy", self.name)
        return None

    async def _reply_error(self, claim: Claim, error: Exception) -> None:
        await reply_error(self.agent, claim, error)
