"""Groups of the in-memory broker under faults, with time moved by hand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from dataclasses import replace

import pytest

from faust_core.errors import FencedError, RetriableTransportError, TransportError
from faust_core.memory import Broker, MemoryTransport
from faust_core.protocols.transport import Assignment, TransportContext
from faust_core.records import TopicPartition
from faust_core.testing.clock import ManualClock

TP = TopicPartition("t", 0)


class RoundRobin:
    name = "round-robin"

    def __init__(self) -> None:
        self.fails = 0

    def metadata(self) -> bytes:
        return b""

    def assign(
        self, members: Mapping[str, bytes], partition_counts: Mapping[str, int], /
    ) -> Mapping[str, tuple[Collection[TopicPartition], bytes]]:
        if self.fails:
            self.fails -= 1
            raise RuntimeError("no idea")
        partitions = [TopicPartition(t, i) for t, n in sorted(partition_counts.items()) for i in range(n)]
        return {m: (partitions[i :: len(members)], b"plan") for i, m in enumerate(sorted(members))}


class Worker:
    def __init__(self, broker: Broker, client_id: str, instance_id: str | None = None) -> None:
        self.transport = MemoryTransport(
            broker,
            TransportContext(
                client_id=client_id,
                instance_id=instance_id,
                session_timeout_s=10.0,
                rebalance_timeout_s=30.0,
                request_timeout_s=5.0,
            ),
        )
        self.protocol = RoundRobin()
        self.membership = self.transport.membership("g", self.protocol)
        self.events: list[str] = []
        self.owned: list[int] = []
        self.blocked: asyncio.Event | None = None
        self.on_event: Callable[[str], None] = self.events.append

    async def on_rebalance_started(self) -> None:
        self.on_event("started")
        if self.blocked is not None:
            await self.blocked.wait()

    async def on_assigned(self, assignment: Assignment, /) -> None:
        self.owned = sorted(tp.partition for tp in assignment.partitions)
        self.on_event(f"assigned {self.owned}")

    async def on_lost(self, reason: str, /) -> None:
        self.on_event(f"lost: {reason}")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def broker(clock: ManualClock) -> AsyncIterator[Broker]:
    broker = Broker(clock=clock)
    broker.create_topic("t", 4)
    yield broker
    broker.faults.clear()
    for transport in list(broker.transports):
        await transport.aclose()


@pytest.fixture
async def pair(broker: Broker, clock: ManualClock) -> tuple[Worker, Worker]:
    first, second = Worker(broker, "first"), Worker(broker, "second")
    await first.membership.join(["t"], first)
    await second.membership.join(["t"], second)
    await clock.settle()
    assert (first.owned, second.owned) == ([0, 2], [1, 3])
    return first, second


async def test_a_killed_member_is_removed_after_its_session_timeout(
    pair: tuple[Worker, Worker], clock: ManualClock
) -> None:
    first, second = pair
    first.transport.kill()
    await clock.elapse(9.9)
    assert second.owned == [1, 3]
    await clock.elapse(0.2)
    assert second.owned == [0, 1, 2, 3]
    assert first.events[-1].startswith("assigned"), "a dead member was told something"


async def test_a_member_that_was_cut_off_is_a_zombie_until_it_learns(
    pair: tuple[Worker, Worker], broker: Broker, clock: ManualClock
) -> None:
    first, second = pair
    broker.faults.cut("first")
    identity = first.membership.metadata()
    committing = asyncio.ensure_future(first.membership.commit({TP: 1}))
    first.membership.rejoin()
    await clock.elapse(11)
    with pytest.raises(RetriableTransportError):
        await committing
    assert second.owned == [0, 1, 2, 3]
    assert first.owned == [0, 2]
    with pytest.raises(FencedError):
        broker.group("g").commit(identity, {TP: 1})
    broker.faults.heal("first")
    with pytest.raises(FencedError):
        await first.membership.commit({TP: 1})
    await clock.settle()
    assert any(event.startswith("lost: no heartbeat reached group g for 10 s") for event in first.events)
    assert first.events[-1].startswith("assigned")
    assert sorted(first.owned + second.owned) == [0, 1, 2, 3]
    assert broker.committed("g") == {}


async def test_a_short_cut_goes_unnoticed(pair: tuple[Worker, Worker], broker: Broker, clock: ManualClock) -> None:
    first, _ = pair
    told = list(first.events)
    broker.faults.cut("first")
    await clock.elapse(9)
    broker.faults.heal("first")
    await clock.elapse(60)
    assert first.events == told
    await first.membership.commit({TP: 1})


async def test_an_ended_session_is_followed_by_a_new_join(
    pair: tuple[Worker, Worker], broker: Broker, clock: ManualClock
) -> None:
    first, second = pair
    broker.end_session("first")
    with pytest.raises(FencedError):
        await first.membership.commit({TP: 1})
    await clock.settle()
    assert "lost: the session was ended (a fault that was asked for)" in first.events
    assert sorted(first.owned + second.owned) == [0, 1, 2, 3]
    assert first.owned


async def test_a_member_that_does_not_rejoin_in_time_is_removed(
    pair: tuple[Worker, Worker], clock: ManualClock
) -> None:
    first, second = pair
    first.blocked = asyncio.Event()
    second.membership.rejoin()
    await clock.elapse(29)
    assert second.owned == [1, 3]
    with pytest.raises(RetriableTransportError, match="rebalancing"):
        await second.membership.commit({TP: 1})
    await clock.elapse(2)
    assert second.owned == [0, 1, 2, 3]
    first.blocked.set()
    first.blocked = None
    await clock.settle()
    assert any("did not join the rebalance of group g in time" in event for event in first.events)
    assert sorted(first.owned + second.owned) == [0, 1, 2, 3]


async def test_a_topic_that_grows_divides_the_work_anew(
    pair: tuple[Worker, Worker], broker: Broker, clock: ManualClock
) -> None:
    first, second = pair
    broker.add_partitions("t", 6)
    await clock.settle()
    assert sorted(first.owned + second.owned) == [0, 1, 2, 3, 4, 5]


async def test_changes_during_a_rebalance_are_followed_by_another(
    pair: tuple[Worker, Worker], broker: Broker, clock: ManualClock
) -> None:
    first, second = pair
    first.blocked = asyncio.Event()
    second.membership.rejoin()
    await clock.settle()
    broker.add_partitions("t", 5)
    second.membership.rejoin()
    await clock.settle()
    generation = broker.group("g").generation
    first.blocked.set()
    first.blocked = None
    await clock.settle()
    assert broker.group("g").generation == generation + 2
    assert sorted(first.owned + second.owned) == [0, 1, 2, 3, 4]


async def test_a_protocol_that_fails_is_tried_again(
    broker: Broker, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    worker = Worker(broker, "only")
    worker.protocol.fails = 1
    await worker.membership.join(["t"], worker)
    await clock.elapse(5)
    assert worker.owned == [0, 1, 2, 3]
    assert "could not divide the work of group g" in caplog.text


async def test_a_listener_that_fails_is_logged_and_the_member_goes_on(
    pair: tuple[Worker, Worker], clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = pair

    def fail(event: str) -> None:
        raise RuntimeError(event)

    first.on_event = fail
    await second.membership.leave()
    await clock.settle()
    assert first.owned == [0, 1, 2, 3]
    assert "on_rebalance_started of the member first of group g failed" in caplog.text
    assert "on_assigned of the member first of group g failed" in caplog.text


async def test_members_with_different_protocols_do_not_mix(pair: tuple[Worker, Worker], broker: Broker) -> None:
    stranger = Worker(broker, "stranger")
    stranger.protocol.name = "other"
    with pytest.raises(TransportError, match="'round-robin', this member by 'other'"):
        await stranger.membership.join(["t"], stranger)


async def test_who_has_never_joined_cannot_commit(broker: Broker) -> None:
    with pytest.raises(FencedError, match="it has not joined"):
        await Worker(broker, "nobody").membership.commit({TP: 1})


async def test_commits_fail_on_demand_with_and_without_effect(pair: tuple[Worker, Worker], broker: Broker) -> None:
    membership = pair[0].membership
    broker.faults.fail_commits(1)
    broker.faults.fail_commits(1, applied=True)
    for offset, kept in [(1, None), (2, 2)]:
        with pytest.raises(RetriableTransportError, match="not confirmed"):
            await membership.commit({TP: offset})
        assert broker.committed("g").get(TP) == kept
    await membership.commit({TP: 3})
    assert await membership.committed([TP]) == {TP: 3}


async def test_committed_waits_for_a_transaction_that_is_being_decided(
    pair: tuple[Worker, Worker], broker: Broker, clock: ManualClock
) -> None:
    first, second = pair
    producer = first.transport.transactional_producer("id")
    await producer.begin()
    broker.faults.delay(1.0)
    committing = asyncio.ensure_future(producer.commit({TP: 8}, first.membership.metadata()))
    await clock.elapse(2.5)
    assert broker.group("g").is_pending([TP])
    broker.faults.delay(0)
    asking = asyncio.ensure_future(second.membership.committed([TP]))
    await clock.settle()
    assert not asking.done()
    await clock.elapse(2)
    await committing
    assert await asking == {TP: 8}


async def test_committed_gives_up_on_a_transaction_that_stays_open(
    pair: tuple[Worker, Worker], broker: Broker, clock: ManualClock
) -> None:
    first, second = pair
    producer = first.transport.transactional_producer("id")
    await producer.begin()
    broker.faults.delay(1.0)
    committing = asyncio.ensure_future(producer.commit({TP: 8}, first.membership.metadata()))
    await clock.elapse(2.5)
    broker.faults.delay(0)
    first.transport.kill()
    asking = asyncio.ensure_future(second.membership.committed([TP]))
    await clock.elapse(6)
    with pytest.raises(RetriableTransportError, match="not decided in 5 s"):
        await asking
    with pytest.raises(TransportError, match="closed"):
        await committing
    await MemoryTransport(broker).transactional_producer("id").begin()
    assert await second.membership.committed([TP]) == {TP: None}


async def test_a_static_member_that_comes_back_in_time_is_not_noticed(broker: Broker, clock: ManualClock) -> None:
    first, second = Worker(broker, "first", "1"), Worker(broker, "second", "2")
    await first.membership.join(["t"], first)
    await second.membership.join(["t"], second)
    await clock.settle()
    owned, told, generation = first.owned, list(second.events), broker.group("g").generation
    await first.transport.aclose()
    await clock.elapse(5)
    again = Worker(broker, "first", "1")
    await again.membership.join(["t"], again)
    await clock.elapse(60)
    assert again.owned == owned
    assert second.events == told
    assert broker.group("g").generation == generation
    await again.membership.commit({TP: 1})


async def test_a_static_member_that_stays_away_is_removed(broker: Broker, clock: ManualClock) -> None:
    first, second = Worker(broker, "first", "1"), Worker(broker, "second", "2")
    await first.membership.join(["t"], first)
    await second.membership.join(["t"], second)
    await clock.settle()
    await first.membership.leave()
    await clock.elapse(11)
    assert second.owned == [0, 1, 2, 3]


async def test_a_replaced_static_member_does_not_come_back(broker: Broker, clock: ManualClock) -> None:
    old = Worker(broker, "old", "1")
    await old.membership.join(["t"], old)
    await clock.settle()
    new = Worker(broker, "new", "1")
    await new.membership.join(["t"], new)
    await clock.elapse(120)
    assert new.owned == [0, 1, 2, 3]
    assert old.events[-1] == "lost: instance id '1' was taken over by new"
    assert broker.group("g").client_ids == ["new"]


async def test_a_static_member_with_another_subscription_divides_the_work_anew(
    broker: Broker, clock: ManualClock
) -> None:
    broker.create_topic("u", 1)
    old, new = Worker(broker, "old", "1"), Worker(broker, "new", "1")
    await old.membership.join(["t"], old)
    await clock.settle()
    generation = broker.group("g").generation
    await new.membership.join(["u"], new)
    await clock.settle()
    assert new.owned == [0]
    assert broker.group("g").generation == generation + 1


async def test_leave_may_be_called_by_the_listener(broker: Broker, clock: ManualClock) -> None:
    worker = Worker(broker, "only")
    await worker.membership.join(["t"], worker)
    await clock.settle()

    async def leave(reason: str) -> None:
        await worker.membership.leave()

    worker.on_lost = leave  # type: ignore[method-assign]  # this listener leaves when it is told of the loss
    broker.end_session("only")
    await clock.settle()
    assert broker.group("g").client_ids == []


async def test_a_group_with_members_is_not_deleted(pair: tuple[Worker, Worker]) -> None:
    with pytest.raises(TransportError, match="group g has members: first, second; stop them first"):
        await pair[0].transport.admin().delete_group("g")


async def test_a_commit_under_another_instance_id_is_fenced(broker: Broker, clock: ManualClock) -> None:
    worker = Worker(broker, "only", "1")
    await worker.membership.join(["t"], worker)
    await clock.settle()
    with pytest.raises(FencedError, match="has instance id '1', not '2'"):
        broker.group("g").commit(replace(worker.membership.metadata(), instance_id="2"), {TP: 1})


async def test_a_member_that_cannot_join_again_goes_on_trying(
    pair: tuple[Worker, Worker], broker: Broker, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = pair
    first.protocol.name = "other"
    broker.end_session("first")
    await clock.elapse(3)
    assert "first cannot join group g; trying again" in caplog.text
    first.protocol.name = "round-robin"
    await clock.elapse(2)
    assert sorted(first.owned + second.owned) == [0, 1, 2, 3]
    assert first.owned


async def test_a_leader_that_was_replaced_goes_on_leading(broker: Broker, clock: ManualClock) -> None:
    first, second = Worker(broker, "first", "1"), Worker(broker, "second", "2")
    for worker in (first, second):
        await worker.membership.join(["t"], worker)
        await clock.settle()
    first.transport.kill()
    again = Worker(broker, "first", "1")
    await again.membership.join(["t"], again)
    await clock.settle()
    second.membership.rejoin()
    await clock.settle()
    assert sorted(again.owned + second.owned) == [0, 1, 2, 3]
    second.transport.kill()
    second_again = Worker(broker, "second", "2")
    await second_again.membership.join(["t"], second_again)
    await clock.settle()
    assert second_again.owned == second.owned


async def test_a_leader_that_falls_silent_does_not_stop_the_group(
    pair: tuple[Worker, Worker], broker: Broker, clock: ManualClock
) -> None:
    first, second = pair
    second.membership.rejoin()
    first.on_event = lambda event: broker.faults.cut("first") if event == "started" else None
    await clock.elapse(12)
    assert second.owned == [0, 1, 2, 3]
    broker.faults.heal("first")
    await clock.settle()
    assert sorted(first.owned + second.owned) == [0, 1, 2, 3]


async def test_a_topic_nobody_subscribes_to_disturbs_nobody(
    pair: tuple[Worker, Worker], broker: Broker, clock: ManualClock
) -> None:
    told = list(pair[0].events)
    broker.create_topic("unrelated")
    await clock.settle()
    assert pair[0].events == told
