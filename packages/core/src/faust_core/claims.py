"""A claim: the records of one partition that one actor is working through.

An item is *done* when its stream asks for the next one, or when the agent's error policy has been
carried out.  A claim that is not finished holds the committed offset back at its `floor`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, NamedTuple, Protocol

from faust_core.protocols.transport import Producer
from faust_core.records import ConsumerRecord, Headers, RecordBatch, TopicPartition

__all__ = ["Attached", "Claim", "ClaimHolder", "ClaimSource", "Decoding", "EventWatch", "TaskView"]


class Attached(NamedTuple):
    """A record that is written when the offset of an event is committed, and never if the event fails."""

    claim: Claim
    offset: int
    send: Callable[[Producer], None]


class TaskView(Protocol):
    """What a claim knows of the task (partition number of a co-partitioned group) that it belongs to.

    Attributes:
        halted: no further item may be handed out: a checkpoint waits for those in flight.
        closed: the partition was taken away; what its items still do is dropped.
        attached: what was sent to be written when its event's offset is committed; None where no offset ever is.
        open_tables: the task's own partition of each table of its group; empty once it is closed.
    """

    halted: bool
    closed: bool
    attached: list[Attached] | None
    open_tables: Mapping[str, Any]

    @property
    def partition(self) -> int: ...

    def describe_missing_table(self, name: str) -> str: ...


class Decoding(Protocol):
    """How a topic's records are decoded.

    Attributes:
        raw_decode: the codec's bare function; what it raises is among `decode_failures`, and then `decode_value`
            decides.
        by_record: `raw_decode` is not to be used: more than the bytes decides.
        raw_key_decode, key_errors: the same for keys.
    """

    app: Any
    by_record: bool
    raw_decode: Callable[[bytes], Any]
    decode_failures: tuple[type[Exception], ...]
    raw_key_decode: Callable[[bytes], Any]
    key_errors: tuple[type[Exception], ...]

    def decode_key(self, data: bytes | None, claim: Claim, index: int | None = None) -> Any: ...

    def decode_value(self, data: bytes | None, claim: Claim) -> Any: ...

    def encode_key(self, key: Any) -> bytes | None: ...

    def encode_value(self, value: Any) -> bytes | None: ...


class ClaimHolder(Protocol):
    """The subscription that a claim was made on."""

    def release(self, claim: Claim, /) -> None: ...

    def trim(self, claim: Claim, /) -> None: ...

    def leave(self, claim: Claim, /) -> None: ...

    def ack(self, claim: Claim, offset: int, /) -> bool: ...

    def is_open(self, claim: Claim, offset: int, /) -> bool: ...

    def in_hand(self, claim: Claim, index: int, /) -> bool: ...


class Claim:
    """The records `start` … `stop - 1` of a batch; `index` is the one in the user's hands."""

    __slots__ = (
        "actor",
        "after",
        "batch",
        "began",
        "buffered",
        "failed",
        "held",
        "index",
        "manual",
        "raw",
        "source",
        "start",
        "stop",
        "taken",
        "task",
        "topic",
        "wrote",
    )

    def __init__(
        self, batch: RecordBatch, start: int, stop: int, task: TaskView, topic: Decoding, source: ClaimHolder
    ) -> None:
        self.batch = batch
        self.start = start
        self.stop = stop
        self.index = start
        self.task = task
        self.topic = topic
        self.source = source
        #: the asyncio task that works on it
        self.actor: asyncio.Task[Any] | None = None
        #: called when the body is through with a batch that `take()` has handed out
        self.after: Callable[[], Awaitable[None]] | None = None
        #: `take()` holds all of a claim's items until the body is through with them.
        self.held = False
        #: `take()` is still collecting: nothing has been done with the items yet
        self.buffered = False
        #: indexes of the items that `take()` holds: not those that were dropped on the way
        self.taken: list[int] = []
        #: its items are done when the program acknowledges them
        self.manual = False
        #: its body raised: what becomes of its items is the error policy's matter
        self.failed = False
        #: the values that the stream has before it; emptied when its loop is left
        self.raw: list[bytes | None] = []
        #: index of the item that last changed a table
        self.wrote = -1
        #: when it was handed out, by the event loop's clock
        self.began = 0.0

    @property
    def has_written(self) -> bool:
        """Whether the item in hand has changed a table."""
        return self.wrote >= 0 if self.held else self.wrote == self.index

    @property
    def tp(self) -> TopicPartition:
        return self.batch.tp

    @property
    def floor(self) -> int:
        """The offset of the first record that is not done."""
        at = self.start if self.held else self.index
        return self.batch.offsets[at] if at < len(self.batch) else self.batch.next_offset

    @property
    def offset(self) -> int:
        return self.batch.offsets[self.index]

    @property
    def timestamp_ms(self) -> int:
        return self.batch.timestamps_ms[self.index]

    @property
    def key_bytes(self) -> bytes | None:
        return self.batch.keys[self.index]

    @property
    def value_bytes(self) -> bytes | None:
        return self.batch.values[self.index]

    @property
    def headers(self) -> Headers:
        return self.batch.headers(self.index)

    def attach(self, offset: int, send: Callable[[Producer], None]) -> bool:
        """Have `send` called, with the producer, when the offset of an item is committed; False where none ever is."""
        if self.task.attached is None or self.task.closed:
            return False
        self.task.attached.append(Attached(self, offset, send))
        return True

    def drop_attached(self) -> None:
        """The body failed: what it attached to the items that are not done is not sent."""
        attached = self.task.attached
        if attached:
            attached[:] = [one for one in attached if one.claim is not self or one.offset < self.floor]

    def key(self) -> Any:
        """Decode the key of the item in hand.

        Raises:
            KeyDecodeError: the key is not what the topic's `key_type` says.
        """
        return self.topic.decode_key(self.key_bytes, self)

    def record(self) -> ConsumerRecord:
        return self.batch.record(self.index)

    def __str__(self) -> str:
        return f"{self.tp} at offset {self.offset if self.index < len(self.batch) else self.batch.next_offset}"


class EventWatch(Protocol):
    """Tells sensors of each event of a source."""

    def before(self, stream: Any, /) -> tuple[Callable[[Any], Any], ...]:
        """Return a stream's operators, with what tells of an event in front of them."""
        ...

    def released(self, claim: Claim, /) -> None:
        """An actor gave a claim back."""
        ...


class ClaimSource(Protocol):
    """Hands out records to the actors that share it.

    Attributes:
        ended: there will be no more; only sources that are not topics end.
        taken: how many items were taken so far.
        watch: tells sensors of each event; None where none wants to know.
    """

    ended: bool
    taken: int
    watch: EventWatch | None

    def partitions(self) -> Iterable[TopicPartition]:
        """Return what it hands out now."""
        ...

    def throw(self, error: BaseException, /) -> None:
        """Raise `error` from the next call of `claim`."""
        ...

    def close(self) -> None:
        """Hand out nothing more, and hold no offset back."""
        ...

    def hold(self, claim: Claim, /) -> None:
        """The item in hand is done only when `ack` says so."""
        ...

    def ack(self, claim: Claim, offset: int, /) -> bool:
        """Such an item is done.  False: it was already, or it is no longer this worker's."""
        ...

    def is_open(self, claim: Claim, offset: int, /) -> bool:
        """Whether such an item is not done yet."""
        ...

    def in_hand(self, claim: Claim, index: int, /) -> bool:
        """Whether an actor is at this item, or has it before it."""
        ...

    async def claim(self, previous: Claim | None, /, *, deadline_s: float | None = None) -> Claim | None:
        """Give `previous` back, its records up to its index done, and return the next one.

        Waits while there is nothing to do or a checkpoint is under way.  None: `deadline_s`
        (of the application's clock) has passed, or the source has ended.
        """
        ...

    def release(self, claim: Claim, /) -> None:
        """Give a claim back; what it has not done is handed out again."""
        ...

    def trim(self, claim: Claim, /) -> None:
        """Give back what stands behind the claim's index."""
        ...

    def leave(self, claim: Claim, /) -> None:
        """The loop over a claim was left by `break`: what its body has seen is done.  Not where it raised."""
        ...

    def leave_all(self) -> None:
        """Likewise for whatever the running actor still has of this source."""
        ...

    async def undecodable(self, claim: Claim, error: Exception, /) -> None:
        """Carry out the policy for the item in hand, which cannot be decoded; raises where it says so."""
        ...
