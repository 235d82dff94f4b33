"""Stream processing as plain Python: the protocols, the engine, the in-memory transport and store.

`import faust_core as faust` is enough for applications with raw or JSON values; the distribution
`faust-stack` adds models, Kafka, RocksDB and the command line, as `import faust`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from faust_core.agents import Agent
    from faust_core.app import App
    from faust_core.engine.channels import Channel
    from faust_core.engine.rpc import AgentError
    from faust_core.errors import FaustError
    from faust_core.events import Event, current_event
    from faust_core.protocols.transport import Credentials
    from faust_core.records import RecordMetadata, TopicPartition
    from faust_core.services import Service
    from faust_core.settings import ProcessingGuarantee, Settings
    from faust_core.stream import Stream
    from faust_core.tables import GlobalTable, SetGlobalTable, SetTable, Table
    from faust_core.testing import TestDriver
    from faust_core.topics import Topic
    from faust_core.windows import HoppingWindow, SessionWindow, SlidingWindow, TumblingWindow, Window

__all__ = [
    "Agent",
    "AgentError",
    "App",
    "Channel",
    "Credentials",
    "Event",
    "FaustError",
    "GlobalTable",
    "HoppingWindow",
    "ProcessingGuarantee",
    "RecordMetadata",
    "Service",
    "SessionWindow",
    "SetGlobalTable",
    "SetTable",
    "Settings",
    "SlidingWindow",
    "Stream",
    "Table",
    "TestDriver",
    "Topic",
    "TopicPartition",
    "TumblingWindow",
    "Window",
    "current_event",
]

# Loaded when asked for: a plug-in that imports a protocol does not load the engine.
_MODULES = {
    "Agent": "agents",
    "AgentError": "engine.rpc",
    "App": "app",
    "Channel": "engine.channels",
    "Credentials": "protocols.transport",
    "Event": "events",
    "FaustError": "errors",
    "GlobalTable": "tables",
    "HoppingWindow": "windows",
    "ProcessingGuarantee": "settings",
    "RecordMetadata": "records",
    "Service": "services",
    "SessionWindow": "windows",
    "SetGlobalTable": "tables",
    "SetTable": "tables",
    "Settings": "settings",
    "SlidingWindow": "windows",
    "Stream": "stream",
    "Table": "tables",
    "TestDriver": "testing",
    "Topic": "topics",
    "TopicPartition": "records",
    "TumblingWindow": "windows",
    "Window": "windows",
    "current_event": "events",
}


def __getattr__(name: str) -> Any:
    try:
        module = _MODULES[name]
    except KeyError:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None
    value = globals()[name] = getattr(import_module(f"{__name__}.{module}"), name)
    return value


def __dir__() -> list[str]:
    return __all__
