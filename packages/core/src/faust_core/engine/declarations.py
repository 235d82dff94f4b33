"""What an application has declared, as the worker takes it."""

from __future__ import annotations

import os
import socket
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from faust_core.agents import Agent
from faust_core.engine.schedule import Job
from faust_core.settings import Settings
from faust_core.signals import Signal
from faust_core.tables import Table
from faust_core.topics import Topic

__all__ = ["Declarations", "Identity", "Signals"]


@dataclass(frozen=True, slots=True)
class Declarations:
    """Agents, tables, jobs and topics at the moment at which the worker starts."""

    agents: Sequence[Agent[Any]]
    tables: Mapping[str, Table[Any, Any]]
    jobs: Sequence[Job]
    topics: Sequence[Topic[Any, Any]] = ()

    def add_table(self, table: Table[Any, Any]) -> None:
        """Add what streams keep for themselves; before the topics are prepared."""
        tables = self.tables
        assert isinstance(tables, dict), "made for this worker"
        tables[table.name] = table


@dataclass(slots=True)
class Signals:
    """What the worker tells the application."""

    on_started: Signal = field(default_factory=lambda: Signal("on_started"))
    on_before_shutdown: Signal = field(default_factory=lambda: Signal("on_before_shutdown"))
    on_partitions_revoked: Signal = field(default_factory=lambda: Signal("on_partitions_revoked"))
    on_partitions_assigned: Signal = field(default_factory=lambda: Signal("on_partitions_assigned"))
    on_rebalance_complete: Signal = field(default_factory=lambda: Signal("on_rebalance_complete"))


@dataclass(frozen=True, slots=True)
class Identity:
    """Who this worker is.

    Attributes:
        process: names the place where its local state lies; two workers never share it.
        transactional_id: fences a predecessor of the same identity.
    """

    process: str
    transactional_id: str

    @classmethod
    def of(cls, conf: Settings) -> Identity:
        name = conf.consumer_group_instance_id or f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        return cls(name, f"{conf.id}-{name}")
