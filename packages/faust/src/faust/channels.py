"""Channels: streams of values that stay in this process."""

from faust_core.engine.channels import Channel
from faust_core.engine.channels import Channel as ChannelT

__all__ = ["Channel", "ChannelT"]
