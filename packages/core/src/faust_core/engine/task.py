"""A task: one partition number of a group of co-partitioned topics and tables.

             ┌────────────┐   plan: active    ┌───────────┐  caught up   ┌─────────┐
(plan) ────► │  STANDBY   │ ────────────────► │ RESTORING │ ───────────► │ RUNNING │
   │         └────────────┘                   └───────────┘              └─────────┘
   │               ▲  │ plan: none                ▲  │                       │  │
   └───────────────┼──┼───────────────────────────┘  │                       │  │
                   │  ▼                              ▼      plan: none, lost │  │
                   │ ┌──────────────────────────────────────────────────┐    │  │
                   │ │                     CLOSED                       │ ◄──┘  │
                   │ └──────────────────────────────────────────────────┘       │
                   └────────────────────────────────────────────────────────────┘  plan: standby
"""

from __future__ import annotations

import enum
from collections.abc import Collection, Mapping

from faust_core.claims import Attached
from faust_core.engine.assignor import TaskId
from faust_core.engine.progress import Progress
from faust_core.records import TopicPartition
from faust_core.table_partition import TablePartition

__all__ = ["Task", "TaskState"]


class TaskState(enum.Enum):
    STANDBY = "standby"
    RESTORING = "restoring"
    RUNNING = "running"
    CLOSED = "closed"


_ALLOWED = {
    TaskState.STANDBY: {TaskState.RESTORING, TaskState.CLOSED},
    TaskState.RESTORING: {TaskState.RUNNING, TaskState.STANDBY, TaskState.CLOSED},
    TaskState.RUNNING: {TaskState.STANDBY, TaskState.CLOSED},
    TaskState.CLOSED: set[TaskState](),
}


class Task:
    """The unit that is assigned, restored, committed and moved.

    Attributes:
        halted: no further item may be handed out: a checkpoint waits for those in flight.
        closed: not running here (any more); what its items still do is dropped.
        open_tables: the tables while it runs, nothing otherwise: one look-up tells both.
    """

    def __init__(
        self,
        task_id: TaskId,
        inputs: Collection[TopicPartition],
        tables: Mapping[str, TablePartition],
        state: TaskState,
    ) -> None:
        self.id = task_id
        self.inputs = frozenset(inputs)
        self.tables: dict[str, TablePartition] = dict(tables)
        self.open_tables: Mapping[str, TablePartition] = {}
        self.halted = False
        self.attached: list[Attached] | None = []
        self.state = state
        self.committed: dict[TopicPartition, Progress] = {}

    @property
    def partition(self) -> int:
        return self.id.partition

    @property
    def state(self) -> TaskState:
        return self._state

    @state.setter
    def state(self, state: TaskState) -> None:
        self._state = state
        self.closed = state is not TaskState.RUNNING
        self.open_tables = {} if self.closed else self.tables
        if self.closed:
            self.halted = True
            self.attached = []

    @property
    def dirty(self) -> bool:
        return any(table.dirty for table in self.tables.values())

    @property
    def stateful(self) -> bool:
        """Whether it matters for its tables where it runs."""
        return any(table.resident for table in self.tables.values())

    def enter(self, state: TaskState) -> None:
        if state not in _ALLOWED[self.state]:
            raise AssertionError(f"{self}: {self.state.value} → {state.value}")
        self.state = state

    def describe_missing_table(self, name: str) -> str:
        return (
            f"table {name!r} is not partitioned like {', '.join(sorted({tp.topic for tp in self.inputs}))}: "
            "their topics must have the same number of partitions (see partitions= of the table, or group_by)"
        )

    def close(self) -> None:
        """Close the stores and drop what is not committed."""
        if self.state is not TaskState.CLOSED:
            self.state = TaskState.CLOSED
        for table in self.tables.values():
            table.close()

    def __str__(self) -> str:
        return f"{self.id.group}/{self.id.partition}"
