"""Results on stdout: aligned columns for people, JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import click

__all__ = ["show_json", "show_rows"]


def show_json(value: Any) -> None:
    click.echo(json.dumps(value, ensure_ascii=False, default=str))


def show_rows(rows: Sequence[Mapping[str, Any]], *, as_json: bool, empty: str) -> None:
    """Print rows of equal keys.

    Args:
        empty: what is said where there are none.
    """
    if as_json:
        show_json(rows)
        return
    if not rows:
        click.echo(empty)
        return
    lines = [[name.replace("_", " ").upper() for name in rows[0]]]
    lines += [["-" if value is None else str(value) for value in row.values()] for row in rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
