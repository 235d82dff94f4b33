"""Channels: streams of values that stay in this process."""

from faust_core.engine.channels import Channel

__all__ = ["Channel"]
