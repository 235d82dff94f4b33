"""The kit fails for transports that break a rule: each mutant of the memory transport is caught by name."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

_SUITE = """
import pytest
from faust_conformance.transport import TransportCapability, TransportConformance
from faust_core.memory import Broker, MemoryTransport
from faust_core.protocols.transport import TransportContext

class TestMutant(TransportConformance):
    capabilities = frozenset(
        {TransportCapability.TRANSACTIONS, TransportCapability.GROUP_PLANS, TransportCapability.NOTES}
    )
    time_limit_s = 0.5
    quiet_s = 0.05

    @pytest.fixture
    def make_transport(self):
        broker = Broker()
        return lambda **context: MemoryTransport(broker, TransportContext(**context))
"""

_MUTANTS = {
    "a consumer that reads what is not committed": (
        """
from faust_core.memory.log import PartitionLog
PartitionLog.stable_end = property(lambda self: self.end)
PartitionLog._readable = lambda self: len(self.offsets)
""",
        ["test_records_are_invisible_before_the_commit_and_visible_after_it"],
    ),
    "a consumer that forgets where it was asked to begin": (
        """
from faust_core.memory.consumer import MemoryConsumer
assign = MemoryConsumer.assign
MemoryConsumer.assign = lambda self, positions: assign(self, dict.fromkeys(positions, 0))
""",
        ["test_assign_reads_from_the_given_offset", "test_assign_moves_what_is_assigned_already"],
    ),
    "a poll that takes records before it may be cancelled": (
        """
import asyncio
from faust_core.memory.consumer import MemoryConsumer
poll = MemoryConsumer.poll
async def late(self, *, max_records, timeout_s):
    batches = await poll(self, max_records=max_records, timeout_s=timeout_s)
    await asyncio.sleep(0.003)
    return batches
MemoryConsumer.poll = late
""",
        ["test_a_cancelled_poll_loses_nothing"],
    ),
    "a producer that hashes keys in its own way": (
        """
from zlib import crc32
from faust_core.memory import producer
producer.partition_for = lambda key, count: crc32(key) % count
""",
        ["test_a_key_goes_to_the_partition_that_kafka_s_java_client_chooses"],
    ),
    "a group that takes commits of any generation": (
        """
from faust_core.memory.group import Group
Group.check = lambda self, identity: None
""",
        ["test_a_member_of_an_old_generation_is_fenced", "test_a_stranger_to_the_group_is_fenced"],
    ),
    "a group whose notes outlive the offsets that they were of": (
        """
from faust_core.memory.group import Group
store = Group._store
def keep(self, offsets):
    notes = dict(self.notes)
    store(self, offsets)
    self.notes |= {tp: notes.get(tp, "") for tp, (_, note) in offsets.items() if not note}
Group._store = keep
""",
        ["test_a_commit_without_a_note_leaves_none", "test_a_note_may_be_replaced_while_its_offset_stays"],
    ),
    "a group that keeps the beginning of a note": (
        """
from faust_core.memory.group import Group
store = Group._store
Group._store = lambda self, offsets: store(self, {tp: noted._replace(note=noted.note[:1000])
    for tp, noted in offsets.items()})
""",
        ["test_a_long_note_is_kept_whole_and_a_longer_one_refused"],
    ),
    "a producer that forgets to note": (
        """
from faust_core.memory.producer import MemoryTransactionalProducer as Producer
commit = Producer.commit_noted
Producer.commit_noted = lambda self, offsets, member: commit(
    self, {tp: noted._replace(note="") for tp, noted in offsets.items()}, member)
""",
        ["test_a_note_stands_beside_the_transactional_id", "test_after_a_refused_note_a_transaction_can_be_aborted"],
    ),
    "a position that stands before transaction markers": (
        """
from faust_core.memory.consumer import MemoryConsumer
def position(self, partition):
    cursor = self._cursors.get(partition)
    return None if cursor is None else cursor.position
MemoryConsumer.position = position
""",
        ["test_the_position_reaches_the_end_behind_an_aborted_transaction"],
    ),
}


@pytest.mark.parametrize(("mutation", "caught_by"), _MUTANTS.values(), ids=_MUTANTS.keys())
def test_the_kit_catches(pytester: pytest.Pytester, mutation: str, caught_by: list[str]) -> None:
    pytester.makepyfile(test_mutant=mutation + _SUITE)
    result = _run(pytester, *caught_by)
    result.assert_outcomes(failed=len(caught_by))


def test_the_kit_passes_what_was_not_mutated_and_shows_what_it_skips(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_mutant=_SUITE)
    result = _run(pytester, "test_fence", "test_assign", "test_headers")
    outcomes = result.parseoutcomes()
    assert outcomes.get("failed", 0) == outcomes.get("errors", 0) == 0
    assert outcomes["passed"] >= 5
    result.stdout.fnmatch_lines(["*TestMutant does not declare TransportCapability.HEADERS*"])


def test_a_rule_that_is_overridden_without_a_reason_fails_at_collection(pytester: pytest.Pytester) -> None:
    override = "    async def test_check_reaches_the_broker(self): ...\n"
    pytester.makepyfile(test_mutant=_SUITE + override)
    result = _run(pytester, "test_check")
    result.stdout.fnmatch_lines(["*overrides conformance rules without*test_check_reaches_the_broker*"])
    result.assert_outcomes(errors=1)


def test_capabilities_must_be_declared(pytester: pytest.Pytester) -> None:
    before, _, after = _SUITE.partition("    capabilities = frozenset(")
    pytester.makepyfile(test_mutant=before + after.partition("    )\n")[2])
    result = _run(pytester, "test_check")
    result.stdout.fnmatch_lines(["*TestMutant must declare what it can*"])


def _run(pytester: pytest.Pytester, *names: str) -> pytest.RunResult:
    """Run the rules of these names in a process of their own: the mutation must not outlive them."""
    settings = "[pytest]\nasyncio_mode = strict\nasyncio_default_fixture_loop_scope = function\n"
    Path(pytester.path, "pytest.ini").write_text(settings)
    return pytester.runpytest_subprocess("-k", " or ".join(names), "-rs", "-p", "no:cacheprovider", timeout=60)
