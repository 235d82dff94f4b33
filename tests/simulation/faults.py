"""What may go wrong, how often, and for how long."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from faust_core.records import TopicPartition
from tests.simulation.scenario import SESSION_S

if TYPE_CHECKING:
    from tests.simulation.run import Simulation

__all__ = ["FAULTS"]

#: an await of a checkpoint that is not often reached
LAST_AWAIT = 25


def _kill(s: Simulation) -> None:
    node = s.node()
    s.calm = False
    node.kill()
    s.restart(node, s.random.uniform(0, 2 * SESSION_S))


def _kill_in_checkpoint(s: Simulation) -> None:
    node = s.node()
    s.calm = False
    node.crash_at = s.random.randrange(1, LAST_AWAIT)
    s.restart(node, s.random.uniform(2, 2 * SESSION_S))


def _replace_machine(s: Simulation) -> None:
    """The process and its disk are gone."""
    node = s.node()
    s.calm = False
    node.kill()
    node.disk.forget()
    s.restart(node, s.random.uniform(0, 2 * SESSION_S))


def _restart(s: Simulation) -> None:
    node = s.node()
    if node.running:
        s.later(0, node.stop)
    s.restart(node, s.random.uniform(0, 12))


def _freeze(s: Simulation) -> None:
    """A worker does not reach the broker; for long it is a zombie.

    Not so under at-least-once: what it writes then to changelogs is outside of the promise (docs/guarantees.md).
    """
    client_id = s.node().client_id
    s.calm = False
    s.broker.faults.cut(client_id)
    longest = 3 * SESSION_S if s.scenario.exactly_once else SESSION_S / 2
    s.later(s.random.uniform(0.1, longest), lambda: s.broker.faults.heal(client_id))


def _end_session(s: Simulation) -> None:
    node = s.node()
    s.calm = False
    if s.scenario.exactly_once or not s.broker.faults.active:
        s.broker.end_session(node.client_id)


def _rebalance_storm(s: Simulation) -> None:
    s.calm = False

    def rejoin() -> None:
        node = s.node()
        if node.app is not None and node.app.worker is not None:
            node.app.worker.membership.rejoin()

    for _ in range(s.random.randrange(1, 8)):
        s.later(s.random.uniform(0, 3), rejoin)


def _slow_broker(s: Simulation) -> None:
    s.broker.faults.delay(0, s.random.choice([0.05, 0.3, 1.0]))
    s.later(s.random.uniform(0.5, 8), lambda: s.broker.faults.delay(0))


def _stop_broker(s: Simulation) -> None:
    s.calm = False
    s.broker.faults.stop_broker()
    s.later(s.random.uniform(0.1, 8), s.broker.faults.start_broker)


def _lose_partition(s: Simulation) -> None:
    s.calm = False
    topic = s.random.choice(sorted(s.broker.topics))
    tp = TopicPartition(topic, s.random.randrange(len(s.broker.topics[topic].logs)))
    s.broker.faults.lose_partition(tp)
    s.later(s.random.uniform(0.1, 8), lambda: s.broker.faults.restore_partition(tp))


def _clog(s: Simulation) -> None:
    s.broker.faults.clog()
    s.later(s.random.uniform(0.1, 3), s.broker.faults.unclog)


def _stall(s: Simulation) -> None:
    s.broker.faults.stall_polls(s.random.uniform(0.1, 4))


def _fail_commits(s: Simulation) -> None:
    s.calm = False
    count = s.random.randrange(1, 4)
    if s.scenario.exactly_once:
        s.broker.faults.abort_transactions(count)
    else:
        s.broker.faults.fail_commits(count, applied=s.random.random() < 0.5)


def _refuse_record(s: Simulation) -> None:
    s.calm = False
    s.broker.faults.fail_send(s.random.randrange(1, 5), topic=s.random.choice(["out", "sim-counts-changelog", None]))


def _fail_flush(s: Simulation) -> None:
    s.calm = False
    s.broker.faults.fail_flush()


def _slow_disks(s: Simulation) -> None:
    s.loop.slowness = s.random.choice([0.05, 0.5, 2.0])

    def mend() -> None:
        s.loop.slowness = 0.0

    s.later(s.random.uniform(0.5, 8), mend)


def _full_disk(s: Simulation) -> None:
    s.node().disk.failing = s.random.randrange(1, 4)


def _clock_jump(s: Simulation) -> None:
    s.clock.start += s.random.choice([-3600.0, -1.0, 1.0, 3600.0])


FAULTS: dict[str, tuple[int, Callable[[Simulation], None]]] = {
    "a worker is killed": (4, _kill),
    "a worker is to be killed in a checkpoint": (8, _kill_in_checkpoint),
    "a machine is replaced": (1, _replace_machine),
    "a worker is restarted": (4, _restart),
    "a worker is cut off": (4, _freeze),
    "a session ends": (3, _end_session),
    "rebalance storm": (4, _rebalance_storm),
    "the broker is slow": (6, _slow_broker),
    "the broker is stopped": (2, _stop_broker),
    "a partition is lost": (2, _lose_partition),
    "producers are full": (2, _clog),
    "polls stall": (1, _stall),
    "commits fail": (3, _fail_commits),
    "a record is refused": (1, _refuse_record),
    "a flush fails": (1, _fail_flush),
    "disks are slow": (4, _slow_disks),
    "a disk is full": (1, _full_disk),
    "the clock jumps": (2, _clock_jump),
}
