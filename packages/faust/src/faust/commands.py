"""`faust models` and `faust model NAME`: the records that an application has."""

from __future__ import annotations

from difflib import get_close_matches
from inspect import getdoc
from typing import Any

import click

from faust_cli.failures import CommandFailed, reported
from faust_cli.options import FaustCommand, Options
from faust_cli.output import show_rows
from faust_models import registry

__all__ = ["model", "models"]

#: Where records stand that are not the application's own.
OWN = ("faust", "faust_core", "faust_models")


@click.command(cls=FaustCommand, shows=("app", "json"))
@click.option("--builtins/--no-builtins", default=False, help="Also those of Faust itself.")
@click.pass_obj
def models(options: Options, /, builtins: bool) -> None:
    """List the records of an application."""
    with reported(debug=options.debug):
        app = options.load()
        found = {
            name: kind
            for name, kind in sorted(registry.items())
            if builtins or kind.__module__.partition(".")[0] not in OWN
        }
        rows = [{"name": name, "help": _first_line(kind)} for name, kind in found.items()]
        show_rows(rows, as_json=options.json, empty=f"application {app.id} has no records")


@click.command(cls=FaustCommand, shows=("app", "json"))
@click.argument("name")
@click.pass_obj
def model(options: Options, /, name: str) -> None:
    """Show the fields of a record; its namespace, or the end of it, is enough."""
    with reported(debug=options.debug):
        options.load()
        kind = _find(name)
        options_of_it = kind._options  # noqa: SLF001  as the original has it, it is what programs ask
        fields: dict[str, Any] = options_of_it.fields
        defaults = options_of_it.defaults
        rows = [
            {
                "field": field,
                "type": _type_name(annotation),
                "default": "required" if field not in defaults else repr(defaults[field]),
            }
            for field, annotation in fields.items()
        ]
        show_rows(rows, as_json=options.json, empty=f"{name} has no fields")


def _find(name: str) -> type[Any]:
    if name in registry:
        return registry[name]
    ends = [each for each in sorted(registry) if each.endswith(f".{name}")]
    if len(ends) == 1:
        return registry[ends[0]]
    if ends:
        raise CommandFailed(f"there are several records {name!r}: {', '.join(ends)}")
    close = get_close_matches(name, [*registry, *(each.rpartition(".")[2] for each in registry)], n=1)
    hint = f": did you mean {close[0]!r}?" if close else ""
    raise CommandFailed(f"there is no record {name!r}{hint}")


def _first_line(kind: type[Any]) -> str:
    text = kind.__dict__.get("__doc__") and getdoc(kind)
    return text.partition("\n")[0] if text else ""


def _type_name(annotation: Any) -> str:
    return annotation.__name__ if type(annotation) is type else str(annotation).replace("typing.", "")
