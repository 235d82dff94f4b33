"""Running an application from inside a program."""

from faust_cli.workers.embedded import Worker

__all__ = ["Worker"]
