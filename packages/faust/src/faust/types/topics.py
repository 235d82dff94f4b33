"""Topics."""

from faust_core.engine.channels import Channel as ChannelT
from faust_core.topics import Topic as TopicT

__all__ = ["ChannelT", "TopicT"]
