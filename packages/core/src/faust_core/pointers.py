"""What applications of the original look for and do not find: where it is, or what does its work."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any

__all__ = ["missing_attribute"]

_POINTERS = {
    "assignor": "the assignor has no switches here; app.worker tells what runs",
    "beacon": "there is no graph of services here",
    "boot_strategy": "there is none here: await app.start_client() connects for sending and asking only",
    "consumer": "the consumer belongs to the engine; app.worker has what runs",
    "http_client": "there is none here: use any HTTP client in a task or service of your own",
    "producer": "await app.maybe_start_producer() returns it; app.send and topic.send use it",
}


def missing_attribute(app: Any, name: str) -> AttributeError:
    """Return the error for an attribute that an application does not have."""
    if name in _POINTERS:
        return AttributeError(f"app.{name}: {_POINTERS[name]}", name=name, obj=app)
    close = get_close_matches(name, [known for known in dir(type(app)) if not known.startswith("_")], n=1)
    hint = f"; did you mean {close[0]}?" if close else ""
    return AttributeError(f"an App has no {name!r}{hint}", name=name, obj=app)
