"""Values that must not be shown: `password: Secret[str]`."""

from faust_models.tags import Personal, Secret, Sensitive, Tag

__all__ = ["Personal", "Secret", "Sensitive", "Tag"]
