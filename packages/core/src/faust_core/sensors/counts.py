"""What the engine counts: per batch, checkpoint or failure, never per event.  It outlives an application's workers."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Callable, Collection, Sequence
from itertools import accumulate
from typing import Any, Final, Generic, TypeVar

__all__ = ["LATENCY_S", "MAX_NAMES", "OTHERS", "Counts", "Histogram", "SendCount", "StreamCount", "TableCount"]

#: Names that are counted apart.  Programs that make topics or streams up as they go must not fill the memory.
MAX_NAMES: Final = 1_000
#: What all further ones are counted under.
OTHERS: Final = "(others)"

MAX_FLUSHES: Final = 100

#: Upper bounds, seconds, of the classes of a duration.
LATENCY_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)

C = TypeVar("C")


class Histogram:
    """Durations by classes; `sum` in seconds."""

    __slots__ = ("_counts", "bounds", "sum")

    def __init__(self, bounds: Sequence[float] = LATENCY_S) -> None:
        self.bounds = tuple(bounds)
        self._counts = [0] * (len(self.bounds) + 1)
        self.sum = 0.0

    def observe(self, seconds: float) -> None:
        self._counts[bisect_left(self.bounds, seconds)] += 1
        self.sum += seconds

    @property
    def count(self) -> int:
        return sum(self._counts)

    @property
    def per_class(self) -> list[int]:
        """How many are in each class; the last one is of those over all bounds."""
        return list(self._counts)

    def cumulative(self) -> list[int]:
        """Return how many are at most each bound; last, how many there are."""
        return list(accumulate(self._counts))


class StreamCount:
    """What one stream has worked on.

    Attributes:
        events: done, or dropped by an operator.
        busy_s: from when an actor was given events until it asked for more, all actors together.
    """

    __slots__ = ("busy_s", "events")

    def __init__(self) -> None:
        self.events = 0
        self.busy_s = 0.0


class TableCount:
    """What became of one table's keys.

    Attributes:
        retrieved: read from the store, because memory did not have them.
        updated, deleted: written to the changelog: a key that changes fifty times between two checkpoints counts once.
    """

    __slots__ = ("deleted", "retrieved", "updated")

    def __init__(self) -> None:
        self.retrieved = self.updated = self.deleted = 0


class SendCount:
    """How many records a topic was sent.  Each send adds to it."""

    __slots__ = ("records",)

    def __init__(self) -> None:
        self.records = 0


class Named(dict[str, C], Generic[C]):
    """Counts by name, made when they are first asked for; `MAX_NAMES` at most."""

    def __init__(self, make: Callable[[], C]) -> None:
        super().__init__()
        self._make = make

    def of(self, name: str) -> C:
        found = self.get(name)
        if found is None:
            if len(self) >= MAX_NAMES and name != OTHERS:
                return self.of(OTHERS)
            found = self[name] = self._make()
        return found


class Counts:
    """The counts of one application on this worker, since the process began.

    Attributes:
        received: records, by topic.
        streams: by stream: the agent's name, or `stream-…`.
        tasks: events by actor.
        buffer_full: how often a partition's queue was full, by topic and partition.
        errors: what agents, timers and decoding raised, by who.
        dead_letters: records written to the dead-letter topic, by who failed on them.
        checkpoints, checkpoint_failures: how many had something to commit, and how many came to nothing.
        checkpoint_s: how long they took, with the wait for events in flight; `flush_s`: the wait for the broker to
            have what was sent.
        restored: changelog records read while active tables were restored.
        http_status: answers over HTTP, by status.
    """

    def __init__(self) -> None:
        self.received: Counter[str] = Counter()
        self.streams: Named[StreamCount] = Named(StreamCount)
        self.tasks: Counter[str] = Counter()
        self.sent: Named[SendCount] = Named(SendCount)
        self.send_errors = 0
        self.tables: Named[TableCount] = Named(TableCount)
        self.buffer_full: Counter[tuple[str, int]] = Counter()
        self.errors: Counter[str] = Counter()
        self.dead_letters: Counter[str] = Counter()
        self.checkpoints = 0
        self.checkpoint_failures = 0
        self.checkpoint_s = Histogram()
        self.flush_s = Histogram()
        #: the last of them
        self.flushes: deque[float] = deque(maxlen=MAX_FLUSHES)
        self.restored = 0
        self.stuck_reports = 0

    def fetched(self, topic: str, records: int) -> None:
        _add(self.received, topic, records)

    def event_failed(self, who: str) -> None:
        _add(self.errors, who)

    def dead_letter(self, who: str) -> None:
        _add(self.dead_letters, who)

    def store_closed(self, table: str, keys_read: int) -> None:
        self.tables.of(table).retrieved += keys_read

    def records_restored(self, records: int) -> None:
        self.restored += records

    def agent_stuck(self) -> None:
        self.stuck_reports += 1

    def flushed(self, seconds: float) -> None:
        self.flush_s.observe(seconds)
        self.flushes.append(seconds)

    def changed(self, table: str, changes: Collection[tuple[Any, Any]]) -> None:
        """Changes of a table were written; a value of None deletes."""
        count = self.tables.of(table)
        deleted = sum(value is None for _, value in changes)
        count.deleted += deleted
        count.updated += len(changes) - deleted

    def task_done(self, name: str, events: int) -> None:
        _add(self.tasks, name, events)


def _add(counter: Counter[str], name: str, count: int = 1) -> None:
    if name not in counter and len(counter) >= MAX_NAMES:
        name = OTHERS
    counter[name] += count
