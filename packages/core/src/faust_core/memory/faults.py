"""What can go wrong, on demand.

Every client of a broker asks here before it does anything; without faults that costs an attribute look-up
per record and one turn of the event loop per request.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from random import Random

from faust_core.clock import Clock
from faust_core.errors import RetriableTransportError, TransportError
from faust_core.memory._signal import Signal
from faust_core.records import TopicPartition

__all__ = ["Faults"]


class Faults:
    """The faults of one broker.  Each stays until it is undone or used up; all may be combined.

    Clients are named by their `client_id`.

    Attributes:
        active: whether any fault is set.
    """

    def __init__(self, clock: Clock, random: Random) -> None:
        self._clock = clock
        self._random = random
        self._changed = Signal(clock)
        self._watchers: dict[Callable[[], None], None] = {}
        self._reset()

    def _reset(self) -> None:
        self.active = False
        self._down = False
        self._cut: dict[str, None] = {}
        self._lost: dict[TopicPartition, None] = {}
        self._stalled_until = 0.0
        self._delay: tuple[float, float] | None = None
        self._clogged: dict[str | None, None] = {}
        self._refused_topics: dict[str, str] = {}
        self._failing_sends: list[tuple[int, str | None, TransportError]] = []
        self._failing_flushes: list[TransportError] = []
        self._failing_commits: list[bool] = []
        self._aborting_transactions = 0
        self._doubtful_commits: list[bool] = []

    # -- the way to the broker

    def stop_broker(self) -> None:
        """No client reaches the broker.  Sessions outlive it, as they do when a Kafka coordinator restarts."""
        self._down = True
        self._update()

    def start_broker(self) -> None:
        """Undo `stop_broker`."""
        self._down = False
        self._update()

    def cut(self, client_id: str) -> None:
        """One client cannot reach the broker: its requests wait, and after the session time-out its group
        goes on without it.  It learns that when it is healed: until then it is a zombie."""
        self._cut[client_id] = None
        self._update()

    def heal(self, client_id: str) -> None:
        """Undo `cut`."""
        self._cut.pop(client_id, None)
        self._update()

    def lose_partition(self, tp: TopicPartition) -> None:
        """A partition has no leader: it is neither read nor written, its records stay."""
        self._lost[tp] = None
        self._update()

    def restore_partition(self, tp: TopicPartition) -> None:
        """Undo `lose_partition`."""
        self._lost.pop(tp, None)
        self._update()

    def stall_polls(self, seconds: float) -> None:
        """For so long polls return nothing."""
        self._stalled_until = self._clock.monotonic() + seconds
        self._clock.call_later(seconds, self._update)
        self._update()

    def delay(self, low_s: float, high_s: float | None = None) -> None:
        """Every request, and every record's completion, takes between `low_s` and `high_s`, by the broker's
        `random`; zero undoes it."""
        high_s = low_s if high_s is None else high_s
        self._delay = (low_s, high_s) if high_s > 0 else None
        self._update()

    # -- producers

    def clog(self, client_id: str | None = None) -> None:
        """`send` raises `BufferFull`, for one client or for all, until `unclog`."""
        self._clogged[client_id] = None
        self._update()

    def unclog(self, client_id: str | None = None) -> None:
        """Undo `clog` for the same client."""
        self._clogged.pop(client_id, None)
        self._update()

    def fail_send(self, nth: int = 1, *, topic: str | None = None, error: TransportError | None = None) -> None:
        """The `nth` record from now on (of `topic`, where given) is not written; its `flush` raises `error`."""
        failure = error or TransportError("the broker refused the record (a fault that was asked for)")
        self._failing_sends.append((nth, topic, failure))
        self._update()

    def fail_flush(self, *, error: TransportError | None = None) -> None:
        """The next `flush` raises `error`, although its records are written."""
        self._failing_flushes.append(error or TransportError("flush failed (a fault that was asked for)"))
        self._update()

    # -- commits and topics

    def fail_commits(self, count: int = 1, *, applied: bool = False) -> None:
        """The next `count` commits of offsets raise `RetriableTransportError`; with `applied` they count all
        the same, as when the answer is lost."""
        self._failing_commits += [applied] * count
        self._update()

    def abort_transactions(self, count: int = 1) -> None:
        """The next `count` commits of transactions raise `TransactionAborted`."""
        self._aborting_transactions += count
        self._update()

    def lose_commit_answers(self, count: int = 1, *, applied: bool) -> None:
        """The next `count` commits of transactions raise `TransactionInDoubt`; with `applied` they count."""
        self._doubtful_commits += [applied] * count
        self._update()

    def refuse_topic(self, topic: str, reason: str = "not authorized to create topics") -> None:
        """`create_topics` refuses this topic."""
        self._refused_topics[topic] = reason
        self._update()

    def clear(self) -> None:
        """Undo all of them."""
        self._reset()
        self._update()

    # -- what the clients ask

    def watch(self, callback: Callable[[], None]) -> None:
        """Have `callback` called after every change."""
        self._watchers[callback] = None

    def unwatch(self, callback: Callable[[], None]) -> None:
        self._watchers.pop(callback, None)

    async def request(self, client_id: str, timeout_s: float | None = None) -> None:
        """Take the time that a request takes, and wait while the client cannot reach the broker.

        Raises:
            RetriableTransportError: not within `timeout_s`.
        """
        await self.latency()
        deadline = None if timeout_s is None else self._clock.monotonic() + timeout_s
        while not self.reachable(client_id):
            remaining = None if deadline is None else deadline - self._clock.monotonic()
            if remaining is not None and remaining <= 0:
                raise RetriableTransportError(f"the in-memory broker did not answer {client_id} within {timeout_s:g} s")
            await self._changed.wait(remaining)

    async def latency(self) -> None:
        if self._delay is None:
            await asyncio.sleep(0)
        else:
            await self._clock.sleep(self.completion_delay())

    def completion_delay(self) -> float:
        return 0.0 if self._delay is None else self._random.uniform(*self._delay)

    def reachable(self, client_id: str) -> bool:
        return not (self._down or client_id in self._cut)

    def is_cut(self, client_id: str) -> bool:
        return client_id in self._cut

    def readable(self, client_id: str, tp: TopicPartition) -> bool:
        return self.writable(client_id, tp) and self._clock.monotonic() >= self._stalled_until

    def writable(self, client_id: str, tp: TopicPartition) -> bool:
        return self.reachable(client_id) and tp not in self._lost

    def clogged(self, client_id: str) -> bool:
        return client_id in self._clogged or None in self._clogged

    def refused(self, topic: str) -> str | None:
        return self._refused_topics.get(topic)

    def take_send_failure(self, topic: str) -> TransportError | None:
        """Count one record; return the error that it shall meet."""
        failure = None
        remaining: list[tuple[int, str | None, TransportError]] = []
        for nth, only, error in self._failing_sends:
            counted = nth - 1 if only is None or only == topic else nth
            if counted == 0 and failure is None:
                failure = error
            else:
                remaining.append((max(counted, 1), only, error))
        self._failing_sends = remaining
        return failure

    def take_flush_failure(self) -> TransportError | None:
        return self._failing_flushes.pop(0) if self._failing_flushes else None

    def take_commit_failure(self) -> bool | None:
        """Return None where the commit shall succeed, else whether it shall be applied although it fails."""
        return self._failing_commits.pop(0) if self._failing_commits else None

    def take_transaction_abort(self) -> bool:
        if self._aborting_transactions == 0:
            return False
        self._aborting_transactions -= 1
        return True

    def take_doubtful_commit(self) -> bool | None:
        """Return None where the commit is answered, else whether it shall be applied."""
        return self._doubtful_commits.pop(0) if self._doubtful_commits else None

    def _update(self) -> None:
        self.active = bool(
            self._down
            or self._cut
            or self._lost
            or self._clogged
            or self._delay
            or self._failing_sends
            or self._clock.monotonic() < self._stalled_until
        )
        self._changed.set()
        for callback in list(self._watchers):
            callback()
