"""Agents, under the names that applications import."""

from faust._missing import pointing
from faust_core.agents import Agent, AgentFunction, current_agent
from faust_core.agents import Agent as AgentT
from faust_core.agents import AgentFunction as AgentFun
from faust_core.asking import ReplyPromise

__all__ = ["Agent", "AgentFun", "AgentFunction", "AgentT", "ReplyPromise", "current_agent"]

__getattr__ = pointing(
    "faust.agents",
    {
        "AgentManager": "app.agents is a dict by name",
        "AgentManagerT": "app.agents is a dict by name",
        "ReplyConsumer": "agent.ask and agent.ask_nowait wait for answers",
        "BarrierState": "agent.map and agent.join wait for many answers",
    },
)
