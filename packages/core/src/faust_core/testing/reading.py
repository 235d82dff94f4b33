"""What a test reads of a running application: topics, tables, dead letters."""

from __future__ import annotations

from typing import Any, TypeVar, cast, overload

from faust_core.agents import Agent
from faust_core.app import App
from faust_core.events import Event
from faust_core.memory import Broker
from faust_core.records import ConsumerRecord
from faust_core.settings import Settings
from faust_core.tables import Table
from faust_core.testing.outputs import DeadLetter, Output, dead_letter, event_of, output_of
from faust_core.topics import Topic

__all__ = ["Reading"]

K = TypeVar("K")
V = TypeVar("V")


class Reading:
    """The half of a `TestDriver` that looks at results."""

    def __init__(self, app: App, broker: Broker, conf: Settings) -> None:
        """Args:
        conf: the application's settings during the test.
        """
        self.app = app
        self.broker = broker
        self.conf = conf
        self._read: dict[str, dict[int, int]] = {}

    def topic(self, topic: Topic[K, V] | Agent[V] | str) -> Topic[K, V]:
        """Return a topic, also that of an agent, or by name: then with the types that it was declared with."""
        if isinstance(topic, Agent):
            return cast("Topic[K, V]", topic.topic)
        if not isinstance(topic, str):
            return topic
        known = [t for t in self.app.topics if topic in t.topics]
        found: Topic[K, V] = known[0].derive(topics=(topic,)) if known else Topic(self.app, topic)
        return found

    @overload
    def read(self, topic: Topic[K, V]) -> list[Output[K, V]]: ...

    @overload
    def read(self, topic: Agent[V]) -> list[Output[Any, V]]: ...

    @overload
    def read(self, topic: str) -> list[Output[Any, Any]]: ...

    def read(self, topic: Any) -> list[Output[Any, Any]]:
        """Return what has been written to a topic since it was last read here, in the order of time.

        Raises:
            DecodeError: a record is not what the topic's types say.
        """
        described: Topic[Any, Any] = self.topic(topic)
        found: list[ConsumerRecord] = []
        for name in described.topics:
            seen = self._read.setdefault(name, {})
            for record in self.broker.records(name) if name in self.broker.topics else ():
                if record.offset >= seen.get(record.partition, 0):
                    seen[record.partition] = record.offset + 1
                    found.append(record)
        found.sort(key=lambda record: (record.timestamp_ms, record.partition, record.offset))
        return [output_of(described, record) for record in found]

    @overload
    def read_values(self, topic: Topic[Any, V] | Agent[V]) -> list[V]: ...

    @overload
    def read_values(self, topic: str) -> list[Any]: ...

    def read_values(self, topic: Any) -> list[Any]:
        """Like `read`, the values alone."""
        return [output.value for output in self.read(topic)]

    def event(self, record: ConsumerRecord) -> Event[Any, Any]:
        """Return a record as its topic's types have it."""
        return event_of(self.topic(record.topic), record)

    @overload
    def table(self, table: Table[K, V]) -> dict[K, V]: ...

    @overload
    def table(self, table: str) -> dict[Any, Any]: ...

    def table(self, table: Any) -> dict[Any, Any]:
        """Return a copy of all that a table has now.

        Raises:
            KeyError: there is no such table.
        """
        found: Any = self.app.tables[table] if isinstance(table, str) else table
        return dict(found.items())

    @property
    def dead_letters(self) -> list[DeadLetter]:
        """All records that agents have failed on, oldest first."""
        name = self.conf.dead_letter_topic.format(id=self.app.id)
        return [dead_letter(record) for record in self.broker.records(name)] if name in self.broker.topics else []
