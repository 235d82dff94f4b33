"""The group: joining, plans, rejoining, commits, takeover."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from pathlib import Path

import pytest

from faust_core.errors import FencedError, RetriableTransportError
from faust_core.protocols.transport import Transport
from faust_core.records import TopicPartition
from tests.services.patience import PATIENCE

from .conftest import Listener, MakeTopic, MakeTransport, ToyProtocol, unique

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(60)]


async def test_two_members_share_the_partitions_and_receive_the_leaders_plan(
    make_transport: MakeTransport, make_topic: MakeTopic
) -> None:
    topic, group = await make_topic(4), unique("group")
    first, second = Listener(), Listener()
    one = make_transport().membership(group, ToyProtocol("one"))
    two = make_transport().membership(group, ToyProtocol("two"))
    await one.join([topic], first)
    alone = await first.until(lambda seen: seen.owned == 4)
    assert json.loads(alone.plan or b"") == ["one"]
    assert first.events == ["assigned"]

    await two.join([topic], second)
    await second.until(lambda seen: seen.owned == 2)
    shared = await first.until(lambda seen: seen.owned == 2)

    assert json.loads(shared.plan or b"") == ["one", "two"]
    assert first.events == ["assigned", "started", "assigned"]
    assert shared.partitions | second.assignments[-1].partitions == {TopicPartition(topic, p) for p in range(4)}
    assert shared.metadata.generation == second.assignments[-1].metadata.generation == one.metadata().generation
    assert shared.metadata.member_id != second.assignments[-1].metadata.member_id


async def test_rejoin_divides_the_work_anew_with_new_metadata(transport: Transport, make_topic: MakeTopic) -> None:
    topic, listener, protocol = await make_topic(), Listener(), ToyProtocol("before")
    member = transport.membership(unique("group"), protocol)
    await member.join([topic], listener)
    first = await listener.until(lambda seen: seen.owned == 1)

    protocol.said = "after"
    member.rejoin()
    second = await listener.until(lambda seen: len(seen.assignments) == 2)

    assert json.loads(second.plan or b"") == ["after"]
    assert second.metadata.generation == first.metadata.generation + 1
    assert second.metadata.member_id == first.metadata.member_id


async def test_a_rejoin_asked_for_while_joining_is_not_forgotten(transport: Transport, make_topic: MakeTopic) -> None:
    topic, listener, protocol = await make_topic(), Listener(), ToyProtocol("a")
    member = transport.membership(unique("group"), protocol)
    await member.join([topic], listener)
    await listener.until(lambda seen: len(seen.assignments) == 1)
    for number in range(5):
        protocol.said = f"b{number}"
        member.rejoin()
        await asyncio.sleep(0.02)
    await listener.until(lambda seen: json.loads(seen.assignments[-1].plan or b"") == ["b4"])


async def test_joining_again_changes_the_subscription(transport: Transport, make_topic: MakeTopic) -> None:
    one, two, listener = await make_topic(1), await make_topic(3), Listener()
    member = transport.membership(unique("group"), ToyProtocol())
    await member.join([one], listener)
    await listener.until(lambda seen: seen.owned == 1)
    await member.join([one, two], listener)
    assert (await listener.until(lambda seen: seen.owned == 4)).partitions >= {TopicPartition(two, 2)}


async def test_leaving_hands_the_partitions_over_at_once(make_transport: MakeTransport, make_topic: MakeTopic) -> None:
    topic, group = await make_topic(2), unique("group")
    first, second = Listener(), Listener()
    one = make_transport(session_timeout_s=30.0).membership(group, ToyProtocol("one"))
    two = make_transport(session_timeout_s=30.0).membership(group, ToyProtocol("two"))
    await one.join([topic], first)
    await two.join([topic], second)
    await second.until(lambda seen: seen.owned == 1)
    await first.until(lambda seen: seen.owned == 1)

    began = time.monotonic()
    await one.leave()
    await second.until(lambda seen: seen.owned == 2)

    assert time.monotonic() - began < 5 * PATIENCE
    await one.leave()
    with pytest.raises(FencedError, match="nothing was committed"):
        await one.commit({TopicPartition(topic, 0): 1})


async def test_a_member_that_waits_for_the_group_can_leave(
    make_transport: MakeTransport, make_topic: MakeTopic
) -> None:
    topic, group = await make_topic(2), unique("group")
    first, second = Listener(), Listener()
    may_go_on = asyncio.Event()
    first.on_start = may_go_on.wait  # type: ignore[assignment]  # returns True, which nobody reads
    one = make_transport().membership(group, ToyProtocol("one"))
    two = make_transport().membership(group, ToyProtocol("two"))
    await one.join([topic], first)
    await first.until(lambda seen: seen.owned == 2)
    await two.join([topic], second)
    began = time.monotonic()
    await two.leave()
    assert time.monotonic() - began < 5 * PATIENCE
    may_go_on.set()
    await first.until(lambda seen: len(seen.assignments) == 2 and seen.owned == 2)


async def test_offsets_are_committed_and_read_back(transport: Transport, make_topic: MakeTopic) -> None:
    topic, listener = await make_topic(2), Listener()
    member = transport.membership(unique("group"), ToyProtocol())
    with pytest.raises(FencedError, match="not a member"):
        await member.commit({TopicPartition(topic, 0): 1})
    await member.join([topic], listener)
    await listener.until(lambda seen: seen.owned == 2)
    await member.commit({TopicPartition(topic, 0): 17})
    wanted = [TopicPartition(topic, 0), TopicPartition(topic, 1)]
    assert await member.committed(wanted) == {wanted[0]: 17, wanted[1]: None}


async def test_commits_work_until_the_listener_lets_the_rebalance_go_on(
    transport: Transport, make_topic: MakeTopic
) -> None:
    topic, listener = await make_topic(), Listener()
    tp = TopicPartition(topic, 0)
    member = transport.membership(unique("group"), ToyProtocol())

    async def commit() -> None:
        await member.commit({tp: 5})

    listener.on_start = commit
    await member.join([topic], listener)
    await listener.until(lambda seen: seen.owned == 1)
    member.rejoin()
    await listener.until(lambda seen: len(seen.assignments) == 2)
    assert listener.events == ["assigned", "started", "assigned"]
    assert await member.committed([tp]) == {tp: 5}
    await member.commit({tp: 6})


async def test_a_blocked_event_loop_does_not_cost_the_session(transport: Transport, make_topic: MakeTopic) -> None:
    topic, listener = await make_topic(), Listener()
    member = transport.membership(unique("group"), ToyProtocol())
    await member.join([topic], listener)
    await listener.until(lambda seen: seen.owned == 1)
    time.sleep(9)  # noqa: ASYNC251 -- the session time-out is 6 s
    await asyncio.sleep(1)
    assert listener.events == ["assigned"]
    await member.commit({TopicPartition(topic, 0): 1})


async def test_heartbeats_go_on_while_the_engine_takes_up_its_assignment(
    transport: Transport, make_topic: MakeTopic
) -> None:
    class Slow(Listener):
        async def on_assigned(self, assignment, /) -> None:  # type: ignore[no-untyped-def]
            await super().on_assigned(assignment)
            await asyncio.sleep(8)

    topic, listener = await make_topic(), Slow()
    member = transport.membership(unique("group"), ToyProtocol())
    await member.join([topic], listener)
    await asyncio.sleep(10)
    assert listener.events == ["assigned"]
    await member.commit({TopicPartition(topic, 0): 1})


KILLED = """
import asyncio, sys
sys.path.insert(0, {tests!r})
from conftest import Listener, ToyProtocol
from faust_core.protocols.transport import TransportContext
from faust_transport_kafka import {factory} as create

async def main():
    context = TransportContext(session_timeout_s=6.0, heartbeat_interval_s=0.5, instance_id={instance!r})
    member = create({url!r}, context).membership({group!r}, ToyProtocol("zombie"))
    listener = Listener()
    await member.join([{topic!r}], listener)
    await listener.until(lambda seen: seen.owned >= 1)
    print("joined", flush=True)
    while True:
        await asyncio.sleep(0.2)
        for event in listener.events[1:]:
            print(event, flush=True)
        del listener.events[1:]

asyncio.run(main())
"""


async def start_process(
    kafka: str, topic: str, group: str, factory: str = "kafka", instance: str | None = None
) -> asyncio.subprocess.Process:
    script = KILLED.format(
        tests=str(Path(__file__).parent),
        factory=factory,
        instance=instance,
        url=f"{factory}://{kafka}",
        group=group,
        topic=topic,
    )
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", script, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    assert await process.stdout.readline() == b"joined\n"
    return process


async def test_a_killed_member_is_replaced_after_its_session_time_out(
    kafka: str, transport: Transport, make_topic: MakeTopic
) -> None:
    topic, group, listener = await make_topic(4), unique("group"), Listener()
    process = await start_process(kafka, topic, group)
    member = transport.membership(group, ToyProtocol("survivor"))
    await member.join([topic], listener)
    await listener.until(lambda seen: seen.owned == 2)

    process.kill()
    await process.wait()
    killed = time.monotonic()
    await listener.until(lambda seen: seen.owned == 4)

    assert time.monotonic() - killed < (6 + 3) * PATIENCE
    await member.commit({TopicPartition(topic, 0): 1})


async def test_a_stopped_member_learns_that_it_was_removed_and_joins_again(
    kafka: str, transport: Transport, make_topic: MakeTopic
) -> None:
    topic, group, listener = await make_topic(4), unique("group"), Listener()
    process = await start_process(kafka, topic, group)
    assert process.stdout is not None
    try:
        member = transport.membership(group, ToyProtocol("survivor"))
        await member.join([topic], listener)
        await listener.until(lambda seen: seen.owned == 2)
        assert [await process.stdout.readline() for _ in range(2)] == [b"started\n", b"assigned\n"]
        os.kill(process.pid, signal.SIGSTOP)
        await listener.until(lambda seen: seen.owned == 4)
        os.kill(process.pid, signal.SIGCONT)
        assert await process.stdout.readline() == b"lost\n"
        assert await process.stdout.readline() == b"assigned\n"
        await listener.until(lambda seen: seen.owned == 2)
    finally:
        process.kill()
        await process.wait()


async def test_a_static_member_takes_its_place_again_without_a_rebalance(
    kafka: str, make_transport: MakeTransport, make_topic: MakeTopic
) -> None:
    topic, group, listener = await make_topic(4), unique("group"), Listener()
    member = make_transport().membership(group, ToyProtocol("other"))
    await member.join([topic], listener)
    process = await start_process(kafka, topic, group, instance="worker-1")
    await listener.until(lambda seen: seen.owned == 2)
    count = len(listener.assignments)
    process.kill()
    await process.wait()
    process = await start_process(kafka, topic, group, instance="worker-1")
    await asyncio.sleep(1)
    process.kill()
    await process.wait()
    assert len(listener.assignments) == count
    assert member.metadata().instance_id is None


async def test_a_commit_between_two_generations_is_refused_for_the_moment(
    make_transport: MakeTransport, make_topic: MakeTopic
) -> None:
    topic, group = await make_topic(2), unique("group")
    first, second = Listener(), Listener()
    one = make_transport().membership(group, ToyProtocol("one"))
    two = make_transport().membership(group, ToyProtocol("two"))
    await one.join([topic], first)
    await first.until(lambda seen: seen.owned == 2)
    hold = asyncio.Event()

    async def wait() -> None:
        await hold.wait()

    await two.join([topic], second)
    await second.until(lambda seen: seen.owned == 1)
    await first.until(lambda seen: seen.owned == 1)
    second.on_start = wait
    one.rejoin()
    await first.until(lambda seen: seen.events.count("started") == 2)
    with pytest.raises(RetriableTransportError, match="rebalancing"):
        await one.commit({TopicPartition(topic, 0): 1})
    hold.set()
    await first.until(lambda seen: seen.events[-1] == "assigned")
    await one.commit({TopicPartition(topic, 0): 1})
