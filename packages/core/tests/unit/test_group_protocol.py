from __future__ import annotations

import json
import zlib
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faust_core.engine._wire import decode_member, encode_hosts, encode_member, encode_plan
from faust_core.engine.group_protocol import MemberInfo, Plan, TaskGroupProtocol, TaskHosts, TopicGroup, decode_plan
from faust_core.engine.plans import RUNNING, TaskId
from faust_core.errors import RebalanceError
from faust_core.records import TopicPartition

ORDERS = TopicGroup("orders", ("orders", "prices"), stateful=True, changelogs=("app-totals-changelog",))
CLICKS = TopicGroup("clicks", ("clicks",))
COUNTS = {"orders": 4, "prices": 4, "clicks": 3, "app-totals-changelog": 4}


def info(name: str, *groups: TopicGroup, **fields: Any) -> MemberInfo:
    return replace(
        MemberInfo(
            process=name,
            groups=groups or (ORDERS, CLICKS),
            transactional_id=f"tx-{name}",
            endpoint=f"http://{name}:6066",
        ),
        **fields,
    )


def divide(
    infos: dict[str, MemberInfo], counts: dict[str, int] | None = None
) -> tuple[dict[str, Plan], dict[str, set[TopicPartition]]]:
    protocol = TaskGroupProtocol(lambda: next(iter(infos.values())))
    result = protocol.assign({m: encode_member(i) for m, i in infos.items()}, COUNTS if counts is None else counts)
    assert result.keys() == infos.keys()
    return {m: decode_plan(p) for m, (_, p) in result.items()}, {m: set(tps) for m, (tps, _) in result.items()}


def carried_out(member: MemberInfo, plan: Plan) -> MemberInfo:
    running = {t: RUNNING for t in plan.actives if t.group == "orders"}
    return replace(
        member, active=plan.actives, standby=plan.standbys, offsets=running, owners=plan.owners, serial=plan.serial
    )


tasks = st.builds(TaskId, st.text(max_size=8), st.integers(0, 500))
task_sets = st.frozensets(tasks, max_size=30)
texts = st.none() | st.text(max_size=20)


@given(
    st.builds(
        MemberInfo,
        process=st.text(max_size=10),
        groups=st.lists(
            st.builds(
                TopicGroup, st.text(), st.lists(st.text()).map(tuple), st.booleans(), st.lists(st.text()).map(tuple)
            ),
            max_size=3,
        ).map(tuple),
        rack=texts,
        capacity=st.integers(1, 100),
        active=task_sets,
        standby=task_sets,
        offsets=st.dictionaries(tasks, st.integers(-2, 2**60), max_size=20),
        ends=st.dictionaries(tasks, st.integers(0, 2**60), max_size=20),
        owners=st.dictionaries(tasks, st.text(max_size=10), max_size=20),
        serial=st.integers(0, 2**40),
        transactional_id=texts,
        endpoint=texts,
        software=st.text(max_size=10),
    )
)
def test_what_a_member_tells_arrives_as_it_was(member: MemberInfo) -> None:
    assert decode_member(encode_member(member)) == member


@given(
    st.builds(
        Plan,
        actives=task_sets,
        standbys=task_sets,
        warmups=task_sets,
        withheld=task_sets,
        serial=st.integers(0, 2**40),
        hosts=st.dictionaries(tasks, st.builds(TaskHosts, texts, st.lists(st.text(max_size=9)).map(tuple)), max_size=9),
        rebalance_again_s=st.none() | st.floats(0, 1000),
        missing_topics=st.frozensets(st.text()),
        error=texts,
    ),
    st.data(),
)
def test_what_the_leader_tells_arrives_as_it_was(plan: Plan, data: st.DataObject) -> None:
    owners = {t: data.draw(st.text(max_size=9)) for t in plan.hosts if data.draw(st.booleans())}
    fence = {t: tuple(data.draw(st.lists(st.text(), min_size=1, unique=True)))[:1] for t in plan.actives}
    plan = replace(plan, owners=owners, fence=fence)
    assert decode_plan(encode_plan(plan, encode_hosts(plan.hosts, owners))) == plan


def test_the_input_partitions_are_those_of_the_active_tasks() -> None:
    plans, inputs = divide({"m0": info("a"), "m1": info("b")})
    for member, plan in plans.items():
        expected = {
            TopicPartition(topic, t.partition) for t in plan.actives if t.group == "orders" for topic in ORDERS.topics
        }
        expected |= {TopicPartition("clicks", t.partition) for t in plan.actives if t.group == "clicks"}
        assert inputs[member] == expected
    assert not inputs["m0"] & inputs["m1"]
    assert len(inputs["m0"] | inputs["m1"]) == 4 + 4 + 3


def test_a_moving_task_brings_no_input_until_it_was_given_up() -> None:
    first, _ = divide({"m0": info("a", CLICKS)})
    plans, inputs = divide({"m0": carried_out(info("a", CLICKS), first["m0"]), "m1": info("b", CLICKS)})
    assert len(plans["m1"].withheld) == 1
    assert plans["m1"].rebalance_again_s == 600.0
    assert inputs["m1"] == set()
    assert len(inputs["m0"]) == 2


def test_topics_with_unequal_partition_counts_give_an_error_that_names_them() -> None:
    plans, _ = divide({"m0": info("a"), "m1": info("b", CLICKS)}, COUNTS | {"prices": 8})
    assert "orders has 4, prices has 8" in (plans["m0"].error or "")
    assert plans["m1"].error is None
    assert {t.group for p in plans.values() for t in p.actives} == {"clicks"}


def test_a_changelog_with_another_partition_count_gives_an_error() -> None:
    plans, _ = divide({"m0": info("a")}, COUNTS | {"app-totals-changelog": 5})
    assert "app-totals-changelog has 5" in (plans["m0"].error or "")


def test_missing_topics_are_named_and_the_rest_is_divided() -> None:
    plans, inputs = divide({"m0": info("a")}, {"orders": 2})
    assert plans["m0"].missing_topics == {"prices", "clicks"}
    assert inputs["m0"] == {TopicPartition("orders", 0), TopicPartition("orders", 1)}


def test_while_a_version_is_deployed_each_group_goes_to_the_members_that_know_it() -> None:
    new = TopicGroup("orders", ("orders", "prices", "discounts"), stateful=True)
    plans, inputs = divide({"old": info("a", ORDERS), "new": info("b", new, CLICKS)}, COUNTS | {"discounts": 4})
    assert {t for t in plans["new"].actives if t.group == "clicks"} == {TaskId("clicks", p) for p in range(3)}
    assert not any(tp.topic in ("clicks", "discounts") for tp in inputs["old"])
    assert any(tp.topic == "discounts" for tp in inputs["new"])


def test_another_application_with_the_same_id_is_refused_and_harms_nobody() -> None:
    counts = COUNTS | {"visits": 4, "pages": 4}
    stranger = TopicGroup("orders", ("visits",), stateful=True)
    running = info("z", ORDERS, active=frozenset({TaskId("orders", 0)}))
    plans, inputs = divide({"m0": info("a", stranger), "m1": running, "m2": info("b", ORDERS)}, counts)
    assert plans["m0"].error is not None
    assert "it reads orders, prices, this one reads visits" in plans["m0"].error
    assert not plans["m0"].actives
    assert not inputs["m0"]
    assert plans["m1"].error is plans["m2"].error is None
    assert plans["m1"].actives | plans["m2"].actives | plans["m2"].withheld == {TaskId("orders", p) for p in range(4)}


def test_of_two_applications_that_start_together_one_stays() -> None:
    counts = COUNTS | {"visits": 4}
    plans, _ = divide({"m0": info("a", TopicGroup("orders", ("visits",))), "m1": info("b", ORDERS)}, counts)
    assert plans["m0"].error is None
    assert len(plans["m0"].actives) == 4
    assert plans["m1"].error is not None


def test_versions_that_only_a_third_connects_are_one_application() -> None:
    counts = COUNTS | {"visits": 4}
    between = TopicGroup("orders", ("prices", "visits"))
    old, new = info("a", ORDERS), info("c", TopicGroup("orders", ("visits",)))
    plans, _ = divide({"m0": old, "m1": new, "m2": info("b", between)}, counts)
    assert not any(plan.error for plan in plans.values())


def test_lag_is_measured_against_the_highest_end_that_any_member_reports() -> None:
    task = TaskId("orders", 0)
    counts = {"orders": 1}
    behind, ahead = info("a", ORDERS, offsets={task: 10}), info("b", ORDERS, offsets={task: 90_000})
    plans, _ = divide({"m0": behind, "m1": ahead}, counts)
    assert plans["m1"].actives == {task}
    plans, _ = divide({"m0": behind, "m1": info("b", ORDERS, ends={task: 90_000})}, counts)
    assert plans["m0"].actives == {task}


def test_every_member_learns_where_each_task_is() -> None:
    plans, _ = divide({"m0": info("a"), "m1": info("b")})
    hosts = plans["m0"].hosts
    assert hosts == plans["m1"].hosts
    assert len(hosts) == 4 + 3
    for member, name in (("m0", "a"), ("m1", "b")):
        for task in plans[member].actives:
            assert hosts[task].owner == f"http://{name}:6066"
            assert plans["m0"].owners[task] == f"tx-{name}"
        for task in plans[member].standbys:
            assert hosts[task].standbys == (f"http://{name}:6066",)


def test_the_host_map_names_the_present_owner_of_a_task_that_moves() -> None:
    first, _ = divide({"m0": info("a", CLICKS)})
    plans, _ = divide({"m0": carried_out(info("a", CLICKS), first["m0"]), "m1": info("b", CLICKS)})
    (task,) = plans["m1"].withheld
    assert plans["m1"].hosts[task].owner == "http://a:6066"
    assert plans["m1"].owners[task] == "tx-a"


def test_the_transactional_ids_of_dead_owners_go_to_those_who_gain_their_tasks() -> None:
    infos = {"m0": info("a"), "m1": info("b")}
    first, _ = divide(infos)
    dead = first["m1"].actives
    plans, _ = divide({"m0": carried_out(infos["m0"], first["m0"])})
    assert plans["m0"].fence == dict.fromkeys(dead, ("tx-b",))
    assert plans["m0"].serial == first["m0"].serial + 1


def test_nobody_fences_a_living_member() -> None:
    infos = {"m0": info("a"), "m1": info("b")}
    first, _ = divide(infos)
    again = {m: carried_out(i, first[m]) for m, i in infos.items()} | {"m2": info("c")}
    plans, _ = divide(again)
    assert not any(p.fence for p in plans.values())
    restarted = {"m0": again["m0"], "m3": info("b")}
    plans, _ = divide(restarted)
    assert not any(p.fence for p in plans.values())


def test_outdated_knowledge_of_owners_does_not_count() -> None:
    task = TaskId("clicks", 0)
    old = info("a", CLICKS, owners={task: "tx-long-gone"}, serial=3)
    new = info("b", CLICKS, owners={task: "tx-gone"}, serial=4)
    plans, _ = divide({"m0": old, "m1": new}, {"clicks": 1})
    assert [p.fence[task] for p in plans.values() if task in p.actives] == [("tx-gone",)]


def test_a_member_of_another_version_gets_an_error_and_the_others_all_the_work() -> None:
    protocol = TaskGroupProtocol(lambda: info("a"))
    members = {"m0": protocol.metadata(), "m1": json.dumps({"v": 7}).encode(), "m2": b"\x00nonsense"}
    result = protocol.assign(members, COUNTS)
    plans = {m: decode_plan(p) for m, (_, p) in result.items()}
    assert "version 7" in (plans["m1"].error or "")
    assert "cannot be read" in (plans["m2"].error or "")
    assert len(plans["m0"].actives) == 7
    assert not result["m1"][0]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[]",
        b"{}",
        b'{"v":1}',
        zlib.compress(b"{}")[:-3],
        b"\xff" * 20,
        b'{"v":1,"process":1,"groups":[[1]]}',
    ],
)
def test_bytes_that_are_no_metadata_are_an_error_that_says_so(data: bytes) -> None:
    with pytest.raises(RebalanceError, match="a member's metadata cannot be read"):
        decode_member(data)


def test_a_plan_of_another_version_names_both_versions() -> None:
    own = b'{"v":2}'
    with pytest.raises(RebalanceError, match="version 2, but this worker knows version 1"):
        decode_plan(len(own).to_bytes(4, "big") + own)
    with pytest.raises(RebalanceError, match="a plan cannot be read"):
        decode_plan(b"")


def test_metadata_that_expands_without_end_is_refused() -> None:
    bomb = zlib.compress(b" " * (65 * 1024 * 1024))
    with pytest.raises(RebalanceError, match="too large"):
        decode_member(bomb)


def test_what_a_member_remembers_of_others_never_makes_its_metadata_large() -> None:
    mine = TaskId("clicks", 0)
    owners = {TaskId("clicks", p): f"tx-{p * 7919:x}-{p}" for p in range(5_000)}
    data = encode_member(info("a", active=frozenset({mine}), owners=owners))
    assert len(data) <= 16 * 1024
    assert decode_member(data).owners == {mine: owners[mine]}


def test_the_host_map_is_left_out_where_the_broker_would_refuse_its_size() -> None:
    infos = {f"m{i}": info(f"host-{i * 7919:x}.example.org", CLICKS) for i in range(300)}
    plans, _ = divide(infos, {"clicks": 3_000})
    assert all(not p.hosts for p in plans.values())
    assert all(len(p.actives) == 10 for p in plans.values())


def test_what_a_member_has_itself_is_told_in_full_however_large() -> None:
    own = {TaskId("orders", p): f"tx-{p * 7919:x}" for p in range(5_000)}
    data = encode_member(info("a", active=frozenset(own), offsets=dict.fromkeys(own, RUNNING), owners=own))
    assert decode_member(data).active == own.keys()
    assert not decode_member(data).owners


def test_the_protocol_has_a_name_of_its_own_on_the_wire() -> None:
    assert TaskGroupProtocol(lambda: info("a")).name == "faust-1"


def test_a_group_without_partitions_or_members_without_groups_have_nothing_to_do() -> None:
    plans, _ = divide({"m0": MemberInfo("a", ())}, {})
    assert plans["m0"] == Plan(serial=1)
