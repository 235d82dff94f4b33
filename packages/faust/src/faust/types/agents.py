"""Agents."""

from faust._missing import pointing
from faust_core.agents import Agent as AgentT
from faust_core.agents import AgentFunction as AgentFun
from faust_core.agents import Sink as SinkT
from faust_core.asking import ReplyPromise as ReplyPromiseT
from faust_core.supervision import ActorInfo as ActorRefT
from faust_core.testing import AgentTestContext as AgentTestWrapperT

__all__ = ["ActorRefT", "AgentFun", "AgentT", "AgentTestWrapperT", "ReplyPromiseT", "SinkT"]

__getattr__ = pointing("faust.types.agents", {"AgentManagerT": "app.agents is a dict by name"})
