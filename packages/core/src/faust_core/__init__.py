"""Stream processing as plain Python: the protocols, the engine, the in-memory transport and store.

`import faust_core as faust` is enough for applications with raw or JSON values; the distribution
`faust-stack` adds models, Kafka, RocksDB and the command line, as `import faust`.
"""

from faust_core.agents import Agent
from faust_core.app import App
from faust_core.errors import FaustError
from faust_core.events import Event, current_event
from faust_core.records import TopicPartition
from faust_core.settings import Settings
from faust_core.stream import Stream
from faust_core.tables import Table
from faust_core.topics import Topic
from faust_core.windows import HoppingWindow, TumblingWindow, Window

__all__ = [
    "Agent",
    "App",
    "Event",
    "FaustError",
    "HoppingWindow",
    "Settings",
    "Stream",
    "Table",
    "Topic",
    "TopicPartition",
    "TumblingWindow",
    "Window",
    "current_event",
]
