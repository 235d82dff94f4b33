"""Code in the documentation is code of a file that runs, links lead somewhere, and tests that are named exist.

A fenced block after `<!-- file: examples/hello.py -->` is that file, or some lines of it in a row.
"""

from __future__ import annotations

import ast
import importlib.util
import re
from functools import cache
from pathlib import Path
from textwrap import dedent

import pytest

ROOT = Path(__file__).parents[2]
READMES = [*ROOT.glob("packages/*/README.md"), *ROOT.glob("examples/*/README.md")]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *READMES])
QUOTE = re.compile(r"^<!-- file: (?P<file>\S+) -->\n+```\w*\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)
MARK = re.compile(r"^<!-- file: (?P<file>.*) -->$", re.MULTILINE)
FENCE = re.compile(r"^```(?P<language>\w*)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\((?P<target>[^)\s]+)\)")
TEST = re.compile(r"`(test_\w+)`")
DEFINITION = re.compile(r"def (test_\w+)\(")
TESTS = ("tests/**/*.py", "packages/*/tests/**/*.py", "examples/*/tests/**/*.py", "packages/conformance/src/**/*.py")

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def anchors(text: str) -> set[str]:
    """What headings can be linked to as."""
    headings = re.findall(r"^#+ (.*)$", FENCE.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@cache
def defined_tests() -> frozenset[str]:
    """The names of all tests of the repository."""
    files = [file for pattern in TESTS for file in ROOT.glob(pattern)]
    return frozenset(name for file in files for name in DEFINITION.findall(file.read_text(encoding="utf-8")))


@each_page
def test_a_quoted_block_is_in_the_file_that_it_names(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    quotes = list(QUOTE.finditer(text))
    assert [quote["file"] for quote in quotes] == [mark["file"] for mark in MARK.finditer(text)], "a mark without block"
    for quote in quotes:
        file = (ROOT / quote["file"]).read_text(encoding="utf-8")
        assert quote["code"].strip()
        assert f"\n{quote['code']}" in f"\n{file}", f"{quote['file']} does not have these lines:\n{quote['code']}"


@each_page
def test_python_blocks_are_python(page: Path) -> None:
    for block in FENCE.finditer(page.read_text(encoding="utf-8")):
        if block["language"] == "python":
            compile(dedent(block["code"]), str(page), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


@each_page
def test_links_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for link in LINK.finditer(FENCE.sub("", text)):
        target, _, anchor = link["target"].partition("#")
        if "://" in target:
            continue
        file = page.parent / target if target else page
        assert file.exists(), f"{page.name}: {link['target']}"
        if anchor:
            assert anchor in anchors(file.read_text(encoding="utf-8")), f"{page.name}: {link['target']}"


@pytest.mark.parametrize("page", [page for page in PAGES if page.parent != ROOT], ids=lambda page: page.name)
def test_tests_that_are_named_exist(page: Path) -> None:
    named = set(TEST.findall(page.read_text(encoding="utf-8")))
    missing = named - defined_tests()
    assert not missing, f"{page.name} names tests that do not exist: {', '.join(sorted(missing))}"


def test_each_fault_has_its_outcome_and_its_test() -> None:
    text = (ROOT / "docs" / "guarantees.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d+) \| (.+) \| (.+) \| (.+) \|$", text, re.MULTILINE)
    assert [int(number) for number, *_ in rows] == list(range(1, 27))
    tests = []
    for number, _, outcome, named in rows:
        tests = TEST.findall(named) if not named.startswith("the same") else tests
        assert tests, f"fault {number} names no test"
        assert outcome.strip()


def test_no_page_says_a_heading_twice() -> None:
    for page in PAGES:
        if page.name == "CHANGELOG.md":
            continue
        headings = re.findall(r"^#+ .*$", FENCE.sub("", page.read_text(encoding="utf-8")), re.MULTILINE)
        twice = {heading for heading in headings if headings.count(heading) > 1}
        assert not twice, f"{page.relative_to(ROOT)} has {', '.join(sorted(twice))} more than once"


def test_the_table_of_settings_is_up_to_date() -> None:
    spec = importlib.util.spec_from_file_location("make_settings", ROOT / "docs" / "make_settings.py")
    assert spec is not None
    assert spec.loader is not None
    make_settings = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(make_settings)
    assert make_settings.TARGET.read_text(encoding="utf-8") == make_settings.table(), "run python docs/make_settings.py"


def test_every_page_is_on_the_map() -> None:
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    targets = {link["target"].partition("#")[0] for link in LINK.finditer(index)}
    pages = {page.relative_to(ROOT / "docs").as_posix() for page in PAGES if ROOT / "docs" in page.parents}
    missing = {page for page in pages - {"index.md"} if page not in targets and not page.startswith("adr/")}
    assert not missing, f"docs/index.md does not link {', '.join(sorted(missing))}"
