"""The message broker as the engine sees it.

Two planes.  The *control plane* (`Membership`) says which partitions this worker owns and commits offsets
under the group's generation.  The *data plane* (`Consumer`, `Producer`) reads partitions that it is told
to read, at the offsets that it is told, and writes records; it knows nothing of groups.

All methods are called on one event loop.  A transport may use threads of its own; it calls back on that loop only.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from faust_core.records import Headers, RecordBatch, RecordMetadata, TopicPartition

__all__ = [
    "Admin",
    "Assignment",
    "Consumer",
    "Credentials",
    "GroupMetadata",
    "GroupProtocol",
    "Membership",
    "OnDelivery",
    "Producer",
    "RebalanceListener",
    "Refusing",
    "TopicSpec",
    "TransactionalProducer",
    "Transport",
    "TransportContext",
    "TransportFactory",
]

#: Called once, on the event loop, with where the record stands or why it was not written.
OnDelivery = Callable[[RecordMetadata | None, Exception | None], None]


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """A topic as it shall be created.

    Attributes:
        config: the broker's own topic settings, as text: `cleanup.policy`, `retention.ms` …
    """

    name: str
    partitions: int
    replication_factor: int = 1
    config: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class GroupMetadata:
    """A member's identity in its group at one generation: what fences an outdated one."""

    group_id: str
    generation: int
    member_id: str
    instance_id: str | None = None


@dataclass(frozen=True, slots=True)
class Assignment:
    """What one rebalance gave to this member.

    Attributes:
        partitions: the input partitions that are this member's from now on.
        plan: the bytes that the leader's `GroupProtocol.assign` returned for this member; None where the
            transport's group has a fixed strategy and carries no plans.
    """

    metadata: GroupMetadata
    partitions: frozenset[TopicPartition]
    plan: bytes | None


class GroupProtocol(Protocol):
    """How the members of a group divide the work; the engine gives it to the transport."""

    @property
    def name(self) -> str:
        """The protocol's name on the wire; all members must have the same."""
        ...

    def metadata(self) -> bytes:
        """Return what this member tells the leader when it joins.  Called before each join."""
        ...

    def assign(
        self, members: Mapping[str, bytes], partition_counts: Mapping[str, int], /
    ) -> Mapping[str, tuple[Collection[TopicPartition], bytes]]:
        """Divide the work; called on the group's leader only.  Pure.  May be called on any thread.

        Args:
            members: member id to that member's `metadata()`.
            partition_counts: every topic that any member subscribes to and that exists.

        Returns:
            For each member id its input partitions and its plan.
        """
        ...


class RebalanceListener(Protocol):
    """The engine's side of a membership.  Called on the event loop, one at a time, each awaited."""

    async def on_rebalance_started(self) -> None:
        """The group will divide the work anew.  Commits under the old generation work until this returns."""
        ...

    async def on_assigned(self, assignment: Assignment, /) -> None:
        """The group has settled.  Commits go under the new generation from now on."""
        ...

    async def on_lost(self, reason: str, /) -> None:
        """The member was removed (session time-out, fenced): others own its partitions already.

        The transport joins again by itself afterwards.
        """
        ...


class Membership(Protocol):
    """This worker's place in its consumer group.  Heartbeats never depend on the event loop of the caller."""

    async def join(self, topics: Collection[str], listener: RebalanceListener, /) -> None:
        """Begin to take part.  Returns when the first request is under way; `on_assigned` tells the result.

        Called again with other topics, it changes the subscription and rejoins.

        Raises:
            TransportError: the broker cannot be reached within the start-up time-out, or refuses.
        """
        ...

    def rejoin(self) -> None:
        """Ask the group to divide the work anew soon; the present assignment stays valid until then."""
        ...

    def metadata(self) -> GroupMetadata:
        """Return the identity under which commits are made at this moment."""
        ...

    async def commit(self, offsets: Mapping[TopicPartition, int], /) -> None:
        """Commit next-to-read offsets under the present generation.

        Raises:
            FencedError: this member is no longer part of the group's generation.
            RetriableTransportError: the group is rebalancing or the coordinator is away; nothing is known to
                be committed; the same call may be tried again.
        """
        ...

    async def committed(self, partitions: Collection[TopicPartition], /) -> Mapping[TopicPartition, int | None]:
        """Return committed offsets, None where there is none.  Waits for pending transactional commits."""
        ...

    async def leave(self) -> None:
        """Leave the group at once, so that others need not wait for a time-out.  Idempotent."""
        ...


class Consumer(Protocol):
    """Reads the partitions that it was told to.  Never in a group, never commits."""

    async def assign(self, positions: Mapping[TopicPartition, int], /) -> None:
        """Add partitions, each to be read from the given offset.  Those assigned already are moved there.

        An offset below the first or above the end of the partition is moved to the nearest that exists,
        with a warning in the log.
        """
        ...

    async def unassign(self, partitions: Collection[TopicPartition], /) -> None:
        """Stop reading partitions.  No batch of theirs is returned by a later `poll`.  Unknown ones are ignored."""
        ...

    async def poll(self, *, max_records: int, timeout_s: float) -> Sequence[RecordBatch]:
        """Return what there is, at once; wait up to `timeout_s` where there is nothing.

        Batches of one partition come in offset order; together at most `max_records` records.  Cancelling
        loses nothing: what was fetched is returned by the next call.  A broker that is away is waited for;
        it is not an error.

        Raises:
            AuthenticationError: the broker refuses the credentials or the permission to read.
            TransportError: it can never work again.
        """
        ...

    def pause(self, partitions: Collection[TopicPartition], /) -> None:
        """Return no batches of these partitions until `resume`.  Idempotent."""
        ...

    def resume(self, partitions: Collection[TopicPartition], /) -> None:
        """Undo `pause`.  Idempotent."""
        ...

    def position(self, partition: TopicPartition, /) -> int | None:
        """Return the next offset that `poll` would return, past transaction markers; None where not known yet.

        When it reaches the end of the partition everything before was returned.
        """
        ...

    async def aclose(self) -> None: ...


class Producer(Protocol):
    """Writes records.  The order of records to one partition is kept."""

    def send(
        self,
        topic: str,
        value: bytes | None,
        key: bytes | None = None,
        partition: int | None = None,
        timestamp_ms: int | None = None,
        headers: Headers | None = None,
        on_delivery: OnDelivery | None = None,
    ) -> None:
        """Queue a record.  Returns at once; `flush` says whether it arrived.

        Args:
            partition: None chooses by murmur2 of the key, as Kafka's Java client does; without a key any.
            on_delivery: called once when the record's fate is known.  It costs time: leave it out on hot paths.

        Raises:
            BufferFull: not queued; await `drain()` and try again.
            RecordTooLarge: over the client's limit; not queued.
        """
        ...

    async def drain(self) -> None:
        """Wait until there is room to queue again."""
        ...

    async def flush(self) -> None:
        """Wait until every record queued before is written.  Waits as long as the broker is away.

        Raises:
            TransportError: a record since the last flush could not be written; names the first.  Reported once.
        """
        ...

    async def aclose(self) -> None:
        """Flush for a bounded time and release.  Idempotent."""
        ...


class TransactionalProducer(Producer, Protocol):
    """A producer whose records become visible together with the offsets of what they were made from.

    Each method retries by itself what may be retried.  `TransactionAborted` means: call `abort`, rewind, go on.
    `FencedError` means: another producer has this transactional id; drop everything.
    No method waits for ever for a broker that answers: what hangs is given up, and done anew.
    """

    async def begin(self) -> None:
        """Begin a transaction; the first call also registers the id and ends what a predecessor left open."""
        ...

    async def commit(self, offsets: Mapping[TopicPartition, int], member: GroupMetadata | None, /) -> None:
        """Flush, add the next-to-read offsets, commit.

        The transactional id is kept with the offsets: see `Admin.committed_by`.

        With a `member`, `offsets` must not be empty: an empty list would not be fenced.  A `member` of None,
        with no offsets, commits what a worker without partitions has sent of its own accord.

        Raises:
            ValueError: offsets without a member, or a member without offsets.
            FencedError: `member` is out of date, or the transactional id was taken over.
            TransactionAborted: rolled back or to be rolled back; nothing will be visible.
            TransactionInDoubt: all of it will be visible or nothing; after `abort` and `begin` it is decided, and
                the committed offsets tell.
        """
        ...

    async def abort(self) -> None:
        """Roll back and drop what is queued.  Idempotent.  Afterwards `begin` works again."""
        ...


@runtime_checkable
class Refusing(Protocol):
    """A `Producer` that can tell beforehand that a record would be refused."""

    def refuse(
        self, topic: str, value: bytes | None, key: bytes | None, partition: int | None, headers: Headers | None, /
    ) -> None:
        """Raise where it is known already that the broker would refuse this record.

        Raises:
            RecordTooLarge, TopicMissing: it would.
        """
        ...


class Admin(Protocol):
    """Questions about, and changes to, topics and groups."""

    async def partition_counts(self, topics: Collection[str] | None = None, /) -> Mapping[str, int]:
        """Return the partition counts of those of `topics` that exist; of all where None."""
        ...

    async def create_topics(self, specs: Sequence[TopicSpec], /) -> None:
        """Create those that do not exist, and return when they can be used.  Existing ones are left as they are.

        Raises:
            TopicMissing: the broker refused; names topic and reason.
        """
        ...

    async def delete_topics(self, topics: Collection[str], /) -> None:
        """Delete those that exist, and return when they are gone."""
        ...

    async def topic_config(self, topic: str, /) -> Mapping[str, str]:
        """Return the broker's settings of a topic."""
        ...

    async def topic_ids(self, topics: Collection[str], /) -> Mapping[str, str]:
        """Return the broker's ids of those of `topics` that exist and have one.

        A topic that is deleted and made anew has another id.
        """
        ...

    async def start_offsets(self, partitions: Collection[TopicPartition], /) -> Mapping[TopicPartition, int]:
        """Return the first offset that still exists of each partition."""
        ...

    async def end_offsets(self, partitions: Collection[TopicPartition], /) -> Mapping[TopicPartition, int]:
        """Return the offset behind the last record of each partition, open transactions included."""
        ...

    async def group_members(self, group_id: str, /) -> Sequence[str]:
        """Return the client ids of a group's present members; empty where there is no such group."""
        ...

    async def delete_group(self, group_id: str, /) -> None:
        """Forget a group and its offsets.  A group that does not exist is not an error."""
        ...

    async def committed_by(
        self, group_id: str, partitions: Collection[TopicPartition], /
    ) -> Mapping[TopicPartition, str]:
        """Return the transactional id under which each partition's offset was last committed.

        Only of those that were committed in a transaction.  Does not wait for transactions that are open.
        """
        ...

    async def fence(self, transactional_ids: Collection[str], /) -> None:
        """End what producers with these ids left open, and refuse them from now on."""
        ...

    async def aclose(self) -> None: ...


class Transport(Protocol):
    """Makes the parts.  One per worker."""

    @property
    def url(self) -> str: ...

    async def check(self) -> None:
        """Reach the broker once.

        Raises:
            RetriableTransportError: no answer within the start-up time-out; names the addresses that were tried.
            AuthenticationError: it refused us.
        """
        ...

    def admin(self) -> Admin: ...

    def consumer(self, *, name: str) -> Consumer:
        """Make a consumer that reads committed records only; `name` tells consumers apart in logs."""
        ...

    def producer(self, *, reports: bool = False) -> Producer:
        """Make a producer; `reports` says that `on_delivery` will be used, where that has to be prepared for."""
        ...

    def transactional_producer(self, transactional_id: str, /) -> TransactionalProducer: ...

    def membership(self, group_id: str, protocol: GroupProtocol, /) -> Membership: ...

    async def aclose(self) -> None:
        """Release everything that was made.  Idempotent."""
        ...


@dataclass(frozen=True, slots=True, repr=False)
class Credentials:
    """How to prove to the broker who we are.  The secrets never appear in `repr`.

    Attributes:
        mechanism: PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, OAUTHBEARER or GSSAPI; None for TLS alone.
        tls: whether the connection is encrypted.
        ca_file, cert_file, key_file, key_password: PEM files; without `ca_file` the system's authorities count.
        token: for OAUTHBEARER; returns the token and the epoch second at which it expires.  Any thread calls it.
        ssl_context: an `ssl.SSLContext` instead of these files.  Its authorities and its checks count; a certificate
            of the client cannot be read out of it, and must be given as `cert_file` and `key_file`.
        kerberos_service_name, kerberos_domain_name: for GSSAPI.
    """

    mechanism: str | None = None
    username: str | None = None
    password: str | None = None
    tls: bool = False
    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
    key_password: str | None = None
    check_hostname: bool = True
    token: Callable[[], tuple[str, float]] | None = None
    ssl_context: Any = None
    kerberos_service_name: str = "kafka"
    kerberos_domain_name: str | None = None

    def __repr__(self) -> str:
        return f"Credentials(mechanism={self.mechanism!r}, username={self.username!r}, tls={self.tls}, …)"


@dataclass(frozen=True, slots=True)
class TransportContext:
    """What a transport may know about the application: the settings that concern a broker.

    Attributes:
        urls: all broker URLs that were given; the first is the one that chose the transport.
        start_timeout_s: how long `check` and `join` may take before they give up.
        consumer_options, producer_options: the client library's own settings, passed through; they win.
    """

    urls: Sequence[str] = ()
    client_id: str = "faust"
    credentials: Credentials | None = None
    instance_id: str | None = None
    session_timeout_s: float = 60.0
    heartbeat_interval_s: float = 3.0
    rebalance_timeout_s: float = 60.0
    request_timeout_s: float = 90.0
    start_timeout_s: float = 30.0
    transaction_timeout_s: float = 60.0
    max_fetch_bytes: int = 1_048_576
    max_buffered_bytes: int = 32 * 1_048_576
    compression: str | None = None
    linger_s: float = 0.005
    acks: int = -1
    max_request_bytes: int = 1_000_000
    consumer_options: Mapping[str, Any] = field(default_factory=dict, repr=False)  # may hold secrets
    producer_options: Mapping[str, Any] = field(default_factory=dict, repr=False)


class TransportFactory(Protocol):
    """What an entry point in the group `faust.transports` names; the entry point's name is the URL scheme."""

    def __call__(self, url: str, context: TransportContext, /) -> Transport:
        """Make the transport; no connection is opened yet.

        Raises:
            ConfigError: the URL or a setting is wrong.
        """
        ...
