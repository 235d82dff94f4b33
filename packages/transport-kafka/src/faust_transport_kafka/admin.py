"""Topics, offsets and groups by librdkafka's admin client."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

from confluent_kafka import (
    Consumer,
    ConsumerGroupState,
    IsolationLevel,
    KafkaError,
    KafkaException,
    Producer,
    TopicCollection,
)
from confluent_kafka import TopicPartition as Position
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import ConfigResource
from confluent_kafka.admin._listoffsets import OffsetSpec
from confluent_kafka.admin._resource import ResourceType
from confluent_kafka.cimpl import NewTopic

from faust_core.errors import AuthenticationError, RetriableTransportError, TopicMissing, TransportError
from faust_core.protocols.transport import Admin, TopicSpec
from faust_core.records import TopicPartition
from faust_transport_kafka._errors import (
    MISSING,
    NO_LEADER,
    STALE_EPOCH,
    all_brokers_down,
    as_kafka_error,
    refused,
    translate,
)
from faust_transport_kafka.config import ClientConfig

__all__ = ["KafkaAdmin", "reach"]

log = logging.getLogger(__name__)

T = TypeVar("T")

ANSWER_TIMEOUT_S = 15.0
#: After so long without an answer a question is asked anew; twice as long each time.
FIRST_ATTEMPT_S = 4.0
POSITIONS_TIMEOUT_S = 5.0
PAUSE_S = 0.1
FENCE_THREADS = 4
#: What brokers older than 2.8 have for an id.
NO_ID = "AAAAAAAAAAAAAAAAAAAAAA"
EARLIEST = OffsetSpec.earliest()  # type: ignore[no-untyped-call]  # the library leaves out the annotation
LATEST = OffsetSpec.latest()  # type: ignore[no-untyped-call]  # as above


class KafkaAdmin:
    """An `Admin` over librdkafka.  Questions are asked again until the request time-out has passed."""

    def __init__(self, config: ClientConfig) -> None:
        self._config = config
        self._patience_s = config.context.request_timeout_s
        self._threads = ThreadPoolExecutor(FENCE_THREADS, "faust-kafka-admin")
        self._made: AdminClient | None = None
        self._refusal: KafkaError | None = None
        self._closed = False

    async def partition_counts(self, topics: Collection[str] | None = None, /) -> Mapping[str, int]:
        if topics is None:
            metadata = await self._ask(
                "list the topics", lambda: self._threads.submit(self._client.list_topics, timeout=ANSWER_TIMEOUT_S)
            )
            return {name: len(topic.partitions) for name, topic in metadata.topics.items() if topic.error is None}
        described = await self._describe(topics)
        return {name: len(topic.partitions) for name, topic in described.items()}

    async def create_topics(self, specs: Sequence[TopicSpec], /) -> None:
        present = await self.partition_counts([spec.name for spec in specs])
        missing = [spec for spec in specs if spec.name not in present]
        for spec in missing:
            await self._create(spec)
        await self._wait_until_usable({spec.name: spec.partitions for spec in missing})

    async def delete_topics(self, topics: Collection[str], /) -> None:
        for topic in topics:
            await self._delete(topic)
        deadline = time.monotonic() + self._patience_s
        while left := await self._describe(topics):
            if time.monotonic() > deadline:
                raise RetriableTransportError(f"topic {next(iter(left))} was deleted but is still there")
            await asyncio.sleep(PAUSE_S)

    async def topic_config(self, topic: str, /) -> Mapping[str, str]:
        resource = ConfigResource(ResourceType.TOPIC, topic)
        entries = await self._ask(
            f"read the settings of topic {topic}",
            lambda: self._client.describe_configs([resource], request_timeout=ANSWER_TIMEOUT_S)[resource],
        )
        return {name: entry.value for name, entry in entries.items() if entry.value is not None}

    async def topic_ids(self, topics: Collection[str], /) -> Mapping[str, str]:
        described = await self._describe(topics)
        ids = {name: str(topic.topic_id) for name, topic in described.items()}
        return {name: topic_id for name, topic_id in ids.items() if topic_id != NO_ID}

    async def start_offsets(self, partitions: Collection[TopicPartition], /) -> Mapping[TopicPartition, int]:
        return await self._offsets(partitions, EARLIEST)

    async def end_offsets(self, partitions: Collection[TopicPartition], /) -> Mapping[TopicPartition, int]:
        return await self._offsets(partitions, LATEST)

    async def group_members(self, group_id: str, /) -> Sequence[str]:
        group = await self._ask(
            f"describe group {group_id}",
            lambda: self._client.describe_consumer_groups([group_id], request_timeout=ANSWER_TIMEOUT_S)[group_id],
            fine={KafkaError.GROUP_ID_NOT_FOUND},
        )
        if group is None or group.state == ConsumerGroupState.DEAD:
            return []
        return [member.client_id for member in group.members]

    async def delete_group(self, group_id: str, /) -> None:
        await self._ask(
            f"delete group {group_id}",
            lambda: self._client.delete_consumer_groups([group_id], request_timeout=ANSWER_TIMEOUT_S)[group_id],
            fine={KafkaError.GROUP_ID_NOT_FOUND},
        )

    async def committed_by(
        self, group_id: str, partitions: Collection[TopicPartition], /
    ) -> Mapping[TopicPartition, str]:
        wanted = [Position(tp.topic, tp.partition) for tp in partitions]
        if not wanted:
            return {}
        found = await self._ask(
            f"read who committed the offsets of group {group_id}",
            lambda: self._threads.submit(self._read_positions, group_id, wanted),
        )
        return {TopicPartition(p.topic, p.partition): p.metadata for p in found if p.offset >= 0 and p.metadata}

    async def fence(self, transactional_ids: Collection[str], /) -> None:
        await asyncio.gather(*(self._fence(transactional_id) for transactional_id in transactional_ids))

    async def aclose(self) -> None:
        self._closed = True
        self._made = None
        self._threads.shutdown(wait=False, cancel_futures=True)

    # ------------------------------------------------------------------------------------------------------

    @property
    def _client(self) -> AdminClient:
        if self._closed:
            raise TransportError("the admin client is closed")
        if self._made is None:
            settings = self._config.client(f"{self._config.context.client_id}-admin", self._on_error)
            self._made = AdminClient(settings)
        return self._made

    def _on_error(self, error: KafkaError) -> None:
        if refused(error):
            self._refusal = error

    async def _ask(
        self,
        doing: str,
        question: Callable[[], Future[Any]],
        *,
        fine: Collection[int] = frozenset(),
        attempt_s: float = FIRST_ATTEMPT_S,
    ) -> Any:
        """Return the answer; None where it is an error that is `fine`; ask again while that may help.

        Args:
            attempt_s: how long to wait for the first answer.
        """
        doing = f"cannot {doing} at {self._config.brokers}"
        deadline = time.monotonic() + self._patience_s
        self._refusal = None
        while True:
            try:
                answer = await self._answer(question(), attempt_s)
            except KafkaException as exc:
                error = as_kafka_error(exc)
                if error.code() in fine:
                    return None
                if self._refusal is not None:
                    raise translate(self._refusal, doing) from exc
                failure = translate(error, doing)
                if not isinstance(failure, RetriableTransportError) or time.monotonic() > deadline:
                    raise failure from exc
                if error.code() in STALE_EPOCH:  # the admin client never asks who leads now, a new one does
                    self._renew()
            except TimeoutError as exc:
                if time.monotonic() > deadline:
                    raise RetriableTransportError(f"{doing}: no answer within {self._patience_s:g} s") from exc
                self._renew()
                attempt_s = min(2 * attempt_s, 2 * ANSWER_TIMEOUT_S)
            else:
                return answer
            await asyncio.sleep(PAUSE_S)

    async def _answer(self, future: Future[T], timeout_s: float) -> T:
        waiting = asyncio.wrap_future(future)
        deadline = time.monotonic() + timeout_s
        while True:
            done, _ = await asyncio.wait([waiting], timeout=PAUSE_S)
            self._client.poll(0)  # log lines and errors
            if done:
                return waiting.result()
            if self._refusal is not None:
                waiting.cancel()
                raise KafkaException(self._refusal)
            if time.monotonic() > deadline:
                waiting.cancel()
                raise TimeoutError

    def _renew(self) -> None:
        """Go on with another client: one that was cut off from its broker may not find back for a minute."""
        dropped, self._made = [self._made], None
        threading.Thread(target=dropped.clear, name="faust-kafka-admin-release", daemon=True).start()

    async def _describe(self, topics: Collection[str]) -> Mapping[str, Any]:
        """Return the descriptions of those of `topics` that exist.  Never creates one, as a plain look-up might."""
        found: dict[str, Any] = {}
        names = list(dict.fromkeys(topics))
        if not names:
            return found
        answers = self._client.describe_topics(TopicCollection(names), request_timeout=ANSWER_TIMEOUT_S)
        for name, answer in answers.items():
            first: list[Future[Any]] = [answer]

            def again(name: str = name, first: list[Future[Any]] = first) -> Future[Any]:
                if first:
                    return first.pop()
                return self._client.describe_topics(TopicCollection([name]), request_timeout=ANSWER_TIMEOUT_S)[name]

            described = await self._ask(f"describe topic {name}", again, fine=MISSING)
            if described is not None:
                found[name] = described
        return found

    async def _delete(self, topic: str) -> None:
        await self._ask(
            f"delete topic {topic}",
            lambda: self._client.delete_topics([topic], operation_timeout=ANSWER_TIMEOUT_S)[topic],
            fine=MISSING,
        )

    async def _create(self, spec: TopicSpec) -> None:
        topic = NewTopic(spec.name, spec.partitions, spec.replication_factor, config=dict(spec.config))
        try:
            await self._ask(
                f"create topic {spec.name}",
                lambda: self._client.create_topics([topic], operation_timeout=ANSWER_TIMEOUT_S)[spec.name],
                fine={KafkaError.TOPIC_ALREADY_EXISTS},
            )
        except RetriableTransportError:
            raise
        except AuthenticationError as exc:
            if self._refusal is not None:
                raise
            raise TopicMissing(f"topic {spec.name} does not exist and may not be created: {exc}") from exc
        except TransportError as exc:
            raise TopicMissing(
                f"topic {spec.name} ({spec.partitions} partitions, replication factor {spec.replication_factor}) "
                f"does not exist and could not be created: {exc}"
            ) from exc

    async def _wait_until_usable(self, counts: Mapping[str, int]) -> None:
        deadline = time.monotonic() + self._patience_s
        while True:
            found = {name: topic.partitions for name, topic in (await self._describe(counts)).items()}
            waiting = [
                name
                for name, count in counts.items()
                if len(found.get(name, ())) < count or any(_without_leader(p) for p in found[name])
            ]
            if not waiting:
                return
            if time.monotonic() > deadline:
                raise RetriableTransportError(f"topic {waiting[0]} was created but has no leaders yet")
            await asyncio.sleep(PAUSE_S)

    async def _offsets(self, partitions: Collection[TopicPartition], spec: OffsetSpec) -> Mapping[TopicPartition, int]:
        """Ask for all at once; what fails for the moment is asked again, one by one."""
        positions = {tp: Position(tp.topic, tp.partition) for tp in map(_plain, partitions)}
        if not positions:
            return {}

        def ask(some: Iterable[Position]) -> Mapping[Position, Future[Any]]:
            return self._client.list_offsets(
                dict.fromkeys(some, spec),
                isolation_level=IsolationLevel.READ_UNCOMMITTED,
                request_timeout=ANSWER_TIMEOUT_S,
            )

        first = dict(ask(positions.values()))

        def again(position: Position) -> Callable[[], Future[Any]]:
            return lambda: first.pop(position, None) or ask([position])[position]

        found = {}
        for tp, position in positions.items():
            doing = f"list the offsets of {tp}"
            while (answer := await self._ask(doing, again(position), fine={NO_LEADER})) is None:
                if tp.partition >= (await self.partition_counts([tp.topic])).get(tp.topic, 0):
                    raise TopicMissing(f"there is no partition {tp} at {self._config.brokers}")
                await asyncio.sleep(PAUSE_S)
            found[tp] = answer.offset
        return found

    def _read_positions(self, group_id: str, wanted: list[Position]) -> list[Position]:
        """Return committed offsets with their metadata, as they are before open transactions end.

        By a consumer of its own: the admin client's request to a group's coordinator may hang for ever after the
        network was cut.
        """
        settings = self._config.consumer(f"{self._config.context.client_id}-committed", group_id, self._on_error)
        client = Consumer(settings | {"isolation.level": "read_uncommitted"})
        try:
            return client.committed(wanted, timeout=POSITIONS_TIMEOUT_S)
        finally:
            client.close()

    async def _fence(self, transactional_id: str) -> None:
        def take_over() -> None:
            name = f"{self._config.context.client_id}-fence"
            settings = self._config.transactional_producer(name, transactional_id, self._on_error)
            Producer(settings).init_transactions(ANSWER_TIMEOUT_S)

        await self._ask(
            f"fence transactional id {transactional_id}",
            lambda: self._threads.submit(take_over),
            attempt_s=2 * ANSWER_TIMEOUT_S,  # a second attempt beside the first would get into its way
        )


async def reach(config: ClientConfig) -> None:
    """Get one answer from the brokers.

    Raises:
        RetriableTransportError: none within the start-up time-out; names the addresses and the last reason.
        AuthenticationError: they refused us, or the TLS handshake failed.
    """
    reasons: dict[str, None] = {}
    refusals: list[KafkaError] = []

    def on_error(error: KafkaError) -> None:
        if refused(error):
            refusals.append(error)
        elif not all_brokers_down(error):
            reasons[error.str()] = None

    patience_s = config.context.start_timeout_s
    deadline = time.monotonic() + patience_s
    client = AdminClient(config.client(f"{config.context.client_id}-check", on_error))
    answer = asyncio.wrap_future(client.describe_cluster(request_timeout=patience_s))
    while True:
        done, _ = await asyncio.wait([answer], timeout=PAUSE_S)
        client.poll(0)
        if refusals:
            answer.cancel()
            raise translate(refusals[0], f"the brokers at {config.brokers} refuse us")
        if done and answer.exception() is None:
            return
        if done or time.monotonic() > deadline:
            answer.cancel()
            why = "; ".join(list(reasons)[-3:]) or "no answer"
            raise RetriableTransportError(
                f"no broker answers at {config.brokers} within {patience_s:g} s: {why}. "
                "Check the address, that the broker runs, and whether it expects TLS or SASL"
            )


def _plain(tp: TopicPartition) -> TopicPartition:
    return TopicPartition(*tp)


def _without_leader(partition: Any) -> bool:
    return partition.leader is None or partition.leader.id < 0


if TYPE_CHECKING:
    _: type[Admin] = KafkaAdmin
