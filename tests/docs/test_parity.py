"""The tables of docs/parity.md: statuses, tests, modules and names are what they say."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import faust

from .test_docs import defined_tests

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "parity.md"
STATUSES = {"same", "better", "more", "differs", "absent"}
HEADINGS = [
    "Modules",
    "Streams",
    "Events",
    "Topics",
    "Agents",
    "Channels",
    "Services",
    "The application",
    "Settings",
    "Tables",
    "Windows",
    "Command line",
    "Names on the wire, and what happens to events",
    "Codecs and schemas",
    "Models",
    "Sensors",
    "Web",
]
CODE = re.compile(r"`([^`]+)`")
#: Rows whose test is another page's or that cannot fail by themselves: nothing is promised but that a name is taken.
TAKEN_ONLY = {"differs", "absent"}


@dataclass(frozen=True)
class Row:
    """One line of a table."""

    heading: str
    name: str
    status: str
    test: str
    why: str

    @property
    def id(self) -> str:
        return f"{self.heading}: {self.name[:60]}"


def rows() -> Iterator[Row]:
    heading = ""
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            heading = line.removeprefix("## ")
        if not line.startswith("| ") or line.startswith(("| ---", "| Name |")):
            continue
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip().strip("|"))]
        assert len(cells) == 4, f"a row has four cells, and this one {len(cells)}: {line}"
        yield Row(heading, *cells)


ROWS = list(rows())
each_row = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)


def test_every_part_has_its_table() -> None:
    assert sorted({row.heading for row in ROWS}) == sorted(HEADINGS)


def test_no_name_is_said_twice() -> None:
    names = [(row.heading, row.name) for row in ROWS]
    assert not {name for name in names if names.count(name) > 1}


@each_row
def test_a_row_has_a_status_and_a_test_or_a_reason(row: Row) -> None:
    assert row.status in STATUSES
    named = CODE.findall(row.test)
    for test in named:
        assert test in defined_tests() or (ROOT / test).is_file(), f"{row.name}: there is no test {test}"
    if not named:
        assert row.test == "–"
        assert row.why, f"{row.name}: without a test a row says why"
        assert row.status in TAKEN_ONLY or "accepted" in row.why, f"{row.name}: {row.status}, and no test shows it"
    if row.status in TAKEN_ONLY:
        assert row.why, f"{row.name}: {row.status}, and no reason"


@pytest.mark.parametrize("row", [row for row in ROWS if row.heading == "Modules"], ids=lambda row: row.id)
def test_modules_and_their_names_can_be_imported(row: Row) -> None:
    modules = [name for name in CODE.findall(row.name) if re.fullmatch(r"faust(\.\w+)*", name)]
    if row.status == "absent" or "entry points" in row.name:
        return
    names = [name for name in CODE.findall(row.name) if name not in modules and re.fullmatch(r"\w+", name)]
    for module in modules:
        found = importlib.import_module(module)
        for name in names:
            assert hasattr(found, name), f"{module} has no {name}"


@pytest.mark.parametrize("row", [row for row in ROWS if row.heading == "The application"], ids=lambda row: row.id)
def test_an_application_has_what_is_said_of_it(row: Row) -> None:
    app = faust.App("parity", broker="memory://parity")
    for owner, name in re.findall(r"`@?(app|App)\.(\w+)`", row.name):
        assert hasattr({"app": app, "App": faust.App}[owner], name), f"{owner}.{name}"


def test_every_exported_name_is_in_the_tables() -> None:
    said = {name for row in ROWS if row.heading == "Modules" for name in CODE.findall(row.name)}
    ours = {"AgentError", "Credentials", "FaustError", "SessionWindow", "TestDriver", "TopicPartition", "VersionInfo"}
    modules = {name for name in faust.__all__ if name.islower() and f"faust.{name}" in said}
    documented = (ROOT / "docs" / "testing.md").read_text(encoding="utf-8") + PAGE.read_text(encoding="utf-8")
    missing = set(faust.__all__) - said - ours - modules - {"testing"}
    assert not missing, f"parity.md says nothing of {sorted(missing)}"
    assert "faust.testing" in documented
