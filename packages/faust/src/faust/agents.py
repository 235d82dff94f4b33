"""Agents, under the names that applications import."""

from faust_core.agents import Agent, current_agent
from faust_core.agents import Agent as AgentT
from faust_core.asking import ReplyPromise

__all__ = ["Agent", "AgentT", "ReplyPromise", "current_agent"]
