"""Topics."""

from faust_core.topics import Topic
from faust_core.topics import Topic as TopicT

__all__ = ["Topic", "TopicT"]
