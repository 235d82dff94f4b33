"""Faust: stream processing as plain Python.

    import faust

    class Order(faust.Record):
        customer: str
        amount: float

    app = faust.App("shop", broker="kafka://localhost:9092")
    orders = app.topic("orders", value_type=Order)
    totals = app.Table("totals", default=float)

    @app.agent(orders)
    async def add_up(stream):
        async for order in stream:
            totals[order.customer] += order.amount

Importing this package imports nothing else: each name is fetched when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from faust import agents as agents
    from faust import app as app
    from faust import auth as auth
    from faust import channels as channels
    from faust import cli as cli
    from faust import events as events
    from faust import exceptions as exceptions
    from faust import models as models
    from faust import sensors as sensors
    from faust import serializers as serializers
    from faust import stores as stores
    from faust import streams as streams
    from faust import tables as tables
    from faust import testing as testing
    from faust import topics as topics
    from faust import transport as transport
    from faust import types as types
    from faust import utils as utils
    from faust import web as web
    from faust import windows as windows
    from faust.types import ChannelT as ChannelT
    from faust.types import EventT as EventT
    from faust.types import ServiceT as ServiceT
    from faust.types import StreamT as StreamT
    from faust.types import TopicT as TopicT
    from faust_cli.workers.embedded import Worker as Worker
    from faust_core.agents import Agent as Agent
    from faust_core.app import App as App
    from faust_core.credentials import GSSAPICredentials as GSSAPICredentials
    from faust_core.credentials import OAuthCredentials as OAuthCredentials
    from faust_core.credentials import SASLCredentials as SASLCredentials
    from faust_core.credentials import SSLCredentials as SSLCredentials
    from faust_core.custom_codecs import Codec as Codec
    from faust_core.engine.channels import Channel as Channel
    from faust_core.engine.rpc import AgentError as AgentError
    from faust_core.errors import FaustError as FaustError
    from faust_core.events import Event as Event
    from faust_core.events import current_event as current_event
    from faust_core.protocols.transport import Credentials as Credentials
    from faust_core.records import TopicPartition as TopicPartition
    from faust_core.schema import Schema as Schema
    from faust_core.sensors import Monitor as Monitor
    from faust_core.sensors import Sensor as Sensor
    from faust_core.services import Service as Service
    from faust_core.settings import Settings as Settings
    from faust_core.stream import Stream as Stream
    from faust_core.tables import GlobalTable as GlobalTable
    from faust_core.tables import SetGlobalTable as SetGlobalTable
    from faust_core.tables import SetTable as SetTable
    from faust_core.tables import Table as Table
    from faust_core.testing import TestDriver as TestDriver
    from faust_core.topics import Topic as Topic
    from faust_core.windows import HoppingWindow as HoppingWindow
    from faust_core.windows import SessionWindow as SessionWindow
    from faust_core.windows import SlidingWindow as SlidingWindow
    from faust_core.windows import TumblingWindow as TumblingWindow
    from faust_core.windows import Window as Window
    from faust_models import ModelOptions as ModelOptions
    from faust_models import Record as Record

    VERSION: VersionInfo
    __version__: str
    version_info: VersionInfo

__all__ = [
    "VERSION",
    "Agent",
    "AgentError",
    "App",
    "Channel",
    "ChannelT",
    "Codec",
    "Credentials",
    "Event",
    "EventT",
    "FaustError",
    "GSSAPICredentials",
    "GlobalTable",
    "HoppingWindow",
    "ModelOptions",
    "Monitor",
    "OAuthCredentials",
    "Record",
    "SASLCredentials",
    "SSLCredentials",
    "Schema",
    "Sensor",
    "Service",
    "ServiceT",
    "SessionWindow",
    "SetGlobalTable",
    "SetTable",
    "Settings",
    "SlidingWindow",
    "Stream",
    "StreamT",
    "Table",
    "TestDriver",
    "Topic",
    "TopicPartition",
    "TopicT",
    "TumblingWindow",
    "VersionInfo",
    "Window",
    "Worker",
    "__version__",
    "agents",
    "app",
    "auth",
    "channels",
    "cli",
    "current_event",
    "events",
    "exceptions",
    "models",
    "sensors",
    "serializers",
    "stores",
    "streams",
    "tables",
    "testing",
    "topics",
    "transport",
    "types",
    "utils",
    "uuid",
    "version_info",
    "web",
    "windows",
]

DISTRIBUTION = "faust-stack"

#: Where each name lives.
_HOMES = {
    "Agent": "faust_core.agents",
    "AgentError": "faust_core.engine.rpc",
    "App": "faust_core.app",
    "Channel": "faust_core.engine.channels",
    "ChannelT": "faust.types",
    "Codec": "faust_core.custom_codecs",
    "Credentials": "faust_core.protocols.transport",
    "Event": "faust_core.events",
    "EventT": "faust.types",
    "FaustError": "faust_core.errors",
    "GSSAPICredentials": "faust_core.credentials",
    "GlobalTable": "faust_core.tables",
    "HoppingWindow": "faust_core.windows",
    "ModelOptions": "faust_models",
    "Monitor": "faust_core.sensors",
    "OAuthCredentials": "faust_core.credentials",
    "Record": "faust_models",
    "SASLCredentials": "faust_core.credentials",
    "SSLCredentials": "faust_core.credentials",
    "Schema": "faust_core.schema",
    "Sensor": "faust_core.sensors",
    "Service": "faust_core.services",
    "ServiceT": "faust.types",
    "SessionWindow": "faust_core.windows",
    "SetGlobalTable": "faust_core.tables",
    "SetTable": "faust_core.tables",
    "Settings": "faust_core.settings",
    "SlidingWindow": "faust_core.windows",
    "Stream": "faust_core.stream",
    "StreamT": "faust.types",
    "Table": "faust_core.tables",
    "TestDriver": "faust_core.testing",
    "Topic": "faust_core.topics",
    "TopicPartition": "faust_core.records",
    "TopicT": "faust.types",
    "TumblingWindow": "faust_core.windows",
    "Window": "faust_core.windows",
    "Worker": "faust_cli.workers.embedded",
    "current_event": "faust_core.events",
}
_MODULES = frozenset(
    {
        "agents",
        "app",
        "auth",
        "channels",
        "cli",
        "events",
        "exceptions",
        "models",
        "sensors",
        "serializers",
        "stores",
        "streams",
        "tables",
        "testing",
        "topics",
        "transport",
        "types",
        "utils",
        "web",
        "windows",
    }
)


class VersionInfo(NamedTuple):
    """A version in parts, as `sys.version_info` has them."""

    major: int
    minor: int
    micro: int
    releaselevel: str
    serial: str


def uuid() -> str:
    """Return a new random UUID as text."""
    from uuid import uuid4  # noqa: PLC0415

    return str(uuid4())


def _versions() -> dict[str, Any]:
    """Find the installed version; slow, so only when it is asked for."""
    import re  # noqa: PLC0415
    from importlib.metadata import version  # noqa: PLC0415

    text = version(DISTRIBUTION)
    numbers = [int(number) for number in re.findall(r"\d+", text)[:3]]
    major, minor, micro = [*numbers, 0, 0, 0][:3]
    level = re.sub(r"^[\d.]+", "", text)
    info = VersionInfo(major, minor, micro, level, "")
    return {"__version__": text, "VERSION": info, "version_info": info}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        value: Any = getattr(import_module(_HOMES[name]), name)
    elif name in _MODULES:
        value = import_module(f"faust.{name}")
    elif name in ("__version__", "VERSION", "version_info"):
        globals().update(versions := _versions())
        return versions[name]
    else:
        raise AttributeError(f"module 'faust' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
