"""Writes settings.md from the table in `faust_core.settings`: `python docs/make_settings.py`.

A test fails when the file is not what this program would write.
"""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Iterator
from dataclasses import MISSING, Field, fields
from datetime import tzinfo
from enum import Enum
from pathlib import Path
from typing import Any

from faust_core._options import ALIASES, NO_ENV
from faust_core.settings import Settings

TARGET = Path(__file__).with_name("settings.md")

HEAD = """\
# Settings

<!-- Written by docs/make_settings.py from the table in faust_core.settings; change it there. -->

A setting is an argument of `faust.App`, or a variable of the environment. The environment wins over the argument, the
argument over the default. `env_prefix`, or the variable `APP_ENV_PREFIX`, puts a prefix before the name of every
variable but those in brackets.

Durations are in seconds: a number, a numeric text, or a `timedelta`. An unknown setting is an error that names the
closest one; a value that cannot be is an error that says where it came from and what it may be.

```python
app = faust.App("shop", broker="kafka://localhost:9092", processing_guarantee="exactly_once")
```

```sh
BROKER_URL=kafka://broker:9092 PROCESSING_GUARANTEE=exactly_once faust -A shop worker
```

The id of the application is the first argument of `App`. It names the consumer group, the changelogs and the local
state.
"""

WITHOUT_EFFECT = """\
## Accepted, without effect

Applications written for the original Faust may set these. Here they change nothing, and a worker that is given one
says so in its log.
"""

#: What a parser says that it would have taken, in fewer words.
SHORTER = {
    "true, yes, on, 1, or false, no, off, 0": "true, false",
    "seconds, as a number, a numeric text or a timedelta, > 0": "seconds > 0",
    "seconds, as a number, a numeric text or a timedelta, >= 0": "seconds ≥ 0",
    "text that is not empty": "text",
    "a URL such as kafka://localhost:9092, a list of them, or several with ';' between": "URLs",
    "a tzinfo, or the name of a time zone such as Europe/Berlin": "a time zone",
}


def settings() -> Iterator[tuple[str, Field[Any]]]:
    """Yield every setting with the heading that it stands under, in the order of the source."""
    known = {field.name: field for field in fields(Settings) if "parse" in field.metadata}
    group = ""
    for line in inspect.getsource(Settings).splitlines():
        if heading := re.fullmatch(r"    # (?P<text>\w.*)", line):
            group = heading["text"]
        elif (name := re.match(r"    (?P<name>\w+): .*= _s\(", line)) and name["name"] in known:
            yield group, known.pop(name["name"])
    if known:
        raise RuntimeError(f"settings that the source does not show: {', '.join(known)}")


def variables(field: Field[Any]) -> str:
    """The variables of the environment that set it."""
    metadata = field.metadata
    names = [] if metadata["env"] == NO_ENV else [f"`{metadata['env'] or field.name.upper()}`"]
    also = [f"`{name}`" for name in metadata["also"]]
    return " ".join([*names, *([f"({', '.join(also)})"] if also else [])])


def takes(field: Field[Any]) -> str:
    """What its parser says when it is given what no setting can be."""
    try:
        field.metadata["parse"](b"")
    except ValueError as refusal:
        allowed = SHORTER.get(str(refusal), str(refusal))
        return allowed.replace(">=", "≥")
    return ""


def default(field: Field[Any]) -> str:
    """The default, as it would be written in a program; nothing where it follows from other settings."""
    make: Any = field.default_factory
    value: Any = field.default if make is MISSING else make()
    if value is None or value in ({}, ()):
        return ""
    if isinstance(value, tuple):
        value = value[0]
    if isinstance(value, (Enum, tzinfo)):
        value = str(value)
    return f"`{value:g}`" if isinstance(value, float) else f"`{value!r}`".replace("'", '"')


def table() -> str:
    """The whole file."""
    parts, without_effect, last = [HEAD], [], ""
    for group, field in settings():
        if not field.metadata["effect"]:
            without_effect.append(f"`{field.name}`")
            continue
        if group != last:
            parts.append(f"\n## {group}\n")
            parts.append("| Setting | Variable | Default | Takes | What it does |")
            parts.append("| --- | --- | --- | --- | --- |")
            last = group
        doc = field.metadata["doc"].replace("|", "\\|")
        parts.append(f"| `{field.name}` | {variables(field)} | {default(field)} | {takes(field)} | {doc} |")
    parts.append("\n## Former names\n\n| Name | Now |\n| --- | --- |")
    parts += [f"| `{former}` | `{present}` |" for former, (present, _) in sorted(ALIASES.items())]
    names = ", ".join(sorted(without_effect, key=str.lower))
    parts.append(f"\n{WITHOUT_EFFECT}\n{textwrap.fill(names, 120)}.")
    return re.sub(r"  +", " ", "\n".join(parts)) + "\n"


if __name__ == "__main__":
    TARGET.write_text(table(), encoding="utf-8")
