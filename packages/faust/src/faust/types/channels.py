"""Channels."""

from faust_core.engine.channels import Channel as ChannelT

__all__ = ["ChannelT"]
