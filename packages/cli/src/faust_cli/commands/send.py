"""`faust send`."""

from __future__ import annotations

import asyncio
import builtins
import importlib
import json
import random
from typing import TYPE_CHECKING, Any

import click

from faust_cli.failures import CommandFailed, reported
from faust_cli.options import FaustCommand, Options

if TYPE_CHECKING:
    from faust_core.app import App
    from faust_core.records import RecordMetadata
    from faust_core.topics import Topic

__all__ = ["send"]


@click.command(cls=FaustCommand, shows=("app",))
@click.argument("entity")
@click.argument("value", required=False)
@click.option("-k", "--key", help="The record's key.")
@click.option("-K", "--key-type", metavar="TYPE", help="The key's type: int, str, or MODULE:CLASS.")
@click.option("--key-serializer", metavar="CODEC", help="The key's codec, such as raw or json.")
@click.option("-V", "--value-type", metavar="TYPE", help="The value's type, such as a model's MODULE:CLASS.")
@click.option("--value-serializer", metavar="CODEC", help="The value's codec, such as raw or json.")
@click.option("--partition", type=click.IntRange(0), help="Send to this partition.")
@click.option("-r", "--repeat", type=click.IntRange(1), default=1, show_default=True, help="Send it so many times.")
@click.option("--min-latency", type=click.FloatRange(0), default=0.0, help="Wait at least so many seconds in between.")
@click.option("--max-latency", type=click.FloatRange(0), default=0.0, help="Wait at most so many seconds in between.")
@click.pass_obj
def send(options: Options, /, entity: str, value: str | None, **how: Any) -> None:
    """Send a record to a topic or an agent.

    ENTITY is a topic's name, or @ and an agent's name.  VALUE is JSON; what is not JSON is sent as text, and
    with the codec raw or text it is sent as it stands.  Without VALUE the record's value is null.

    Prints where each record came to stand, as a line of JSON.
    """
    from faust_cli.running import run  # noqa: PLC0415

    with reported(debug=options.debug):
        app = options.load()
        run(_send(app, entity, value, **how), loop=options.loop)


async def _send(
    app: App,
    entity: str,
    value: str | None,
    *,
    key: str | None,
    key_type: str | None,
    key_serializer: str | None,
    value_type: str | None,
    value_serializer: str | None,
    partition: int | None,
    repeat: int,
    min_latency: float,
    max_latency: float,
) -> None:
    from faust_cli.apps import broker_urls, is_embedded  # noqa: PLC0415
    from faust_cli.output import show_json  # noqa: PLC0415
    from faust_cli.running import be_impatient  # noqa: PLC0415

    topic = _topic(app, entity)
    changes = {
        "key_type": _type(key_type, "-K"),
        "key_serializer": key_serializer,
        "value_type": _type(value_type, "-V"),
        "value_serializer": value_serializer,
    }
    topic = topic.derive(**{name: change for name, change in changes.items() if change is not None})
    key_parsed = _parse(key, topic.key_type, topic.key_serializer, "the key")
    value_parsed = _parse(value, topic.value_type, topic.value_serializer, "VALUE")
    if is_embedded(app):
        raise CommandFailed(f"{broker_urls(app)} is inside the process of a worker: nothing can be sent from here")
    be_impatient(app)
    await app.start_client()
    try:
        for count in range(repeat):
            if count and max(min_latency, max_latency):
                await asyncio.sleep(random.uniform(min_latency, max(min_latency, max_latency)))
            sent = await topic.send(key=key_parsed, value=value_parsed, partition=partition, report=True)
            show_json(_described(await sent))
    finally:
        await app.stop()


def _topic(app: App, entity: str) -> Topic[Any, Any]:
    """Return the topic of an agent or of that name, with the types that the application declares for it."""
    if not entity.startswith("@"):
        declared = [*app.topics, *(agent.topic for agent in app.agents.values())]
        for topic in declared:
            if entity in topic.topics:
                return topic.derive(topics=(entity,))
        return app.topic(entity)
    name = entity[1:]
    found = [app.agents[name]] if name in app.agents else [a for n, a in app.agents.items() if n.endswith(f".{name}")]
    if len(found) == 1:
        return found[0].topic
    known = ", ".join(f"@{agent}" for agent in sorted(app.agents)) or "none"
    problem = "stands for several agents" if found else "is no agent of this application"
    raise CommandFailed(f"{entity} {problem}; there are: {known}")


def _type(name: str | None, option: str) -> Any:
    """Return the type that `MODULE:CLASS`, `MODULE.CLASS` or a built-in name stands for."""
    if name is None:
        return None
    module, separator, attribute = name.partition(":") if ":" in name else name.rpartition(".")
    try:
        found = getattr(importlib.import_module(module) if separator else builtins, attribute if separator else name)
    except (ImportError, AttributeError) as exc:
        raise CommandFailed(f"{option} {name}: {exc}; say MODULE:CLASS, or a built-in type such as int") from exc
    if not isinstance(found, type):
        raise CommandFailed(f"{option} {name}: this is no type, but a {type(found).__name__}")
    return found


def _parse(text: str | None, value_type: Any, serializer: str, what: str) -> Any:
    """Return the value that a command line's text stands for."""
    from faust_core.errors import DecodeError  # noqa: PLC0415
    from faust_core.registry import codec  # noqa: PLC0415

    if text is None:
        return None
    if serializer == "raw" or value_type is bytes:
        return text.encode()
    if serializer == "text" or value_type is str:
        return text
    if value_type is not None:
        try:
            return codec("json", value_type).decode(text.encode())
        except DecodeError as exc:
            raise CommandFailed(f"{what} is not the JSON of a {value_type.__name__}: {exc}") from exc
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def _described(metadata: RecordMetadata) -> dict[str, Any]:
    return {
        "topic": metadata.topic,
        "partition": metadata.partition,
        "topic_partition": [metadata.topic, metadata.partition],
        "offset": metadata.offset,
        "timestamp": metadata.timestamp_ms,
    }
