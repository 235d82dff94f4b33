"""mypy --strict sees in users' programs what we promise.

In a file of samples/, a line that ends in `# is: X` reveals the type X, names without their modules; one that ends
in `# error: code` has that error; no other line has any.  A first line `# needs: module` leaves the file out until
the module exists.
"""

import json
import re
import subprocess
import sys
from collections import defaultdict
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SAMPLES = sorted(Path(__file__).with_name("samples").glob("[!_]*.py"))
SAID = re.compile(r"^(?P<path>[^:]+):(?P<line>\d+)(:\d+)?: (?P<kind>error|note): (?P<text>.*)$")
REVEALED = re.compile(r'^Revealed type is "(?P<type>.*)"$')
ERROR = re.compile(r"^(?P<message>.*)  \[(?P<code>[\w-]+)\]$")
PROMISE = re.compile(r"# (?P<kind>is|error): (?P<what>.*)$", re.MULTILINE)
MODULE = re.compile(r"\b(?:\w+\.)+(?=\w)")
MYPY_TIMEOUT_S = 180  # the first run, without a cache; later ones take seconds

pytestmark = pytest.mark.timeout(MYPY_TIMEOUT_S)

Findings = dict[int, list[str]]


def lacks(sample: Path) -> str | None:
    """The module that the sample needs and that does not exist."""
    needs = re.match(r"# needs: (\S+)", sample.read_text())
    if needs is None:
        return None
    try:
        return None if find_spec(needs[1]) else needs[1]
    except ModuleNotFoundError:
        return needs[1]


@pytest.fixture(scope="module")
def findings() -> dict[str, Findings]:
    """What mypy says, by file and line."""
    files = [str(sample.relative_to(ROOT)) for sample in SAMPLES if not lacks(sample)]
    options = ["--strict", "--no-pretty", "--no-error-summary", "--hide-error-context", "--show-error-codes"]
    done = subprocess.run(
        [sys.executable, "-m", "mypy", *options, *files],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        timeout=MYPY_TIMEOUT_S,
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    found: dict[str, Findings] = defaultdict(lambda: defaultdict(list))
    for line in done.stdout.splitlines():
        said = SAID.match(line)
        if said is None:
            continue
        revealed, error = REVEALED.match(said["text"]), ERROR.match(said["text"])
        if revealed:
            found[said["path"]][int(said["line"])].append(f"is: {MODULE.sub('', revealed['type'])}")
        elif said["kind"] == "error":
            code = error["code"] if error else said["text"]
            found[said["path"]][int(said["line"])].append(f"error: {code}  ({said['text']})")
    return found


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.stem)
def test_mypy_sees_what_is_promised(sample: Path, findings: dict[str, Findings]) -> None:
    if missing := lacks(sample):
        pytest.skip(f"{missing} does not exist yet")
    found = findings[str(sample.relative_to(ROOT))]
    wrong = []
    for number, line in enumerate(sample.read_text().splitlines(), start=1):
        promise = PROMISE.search(line)
        promised = f"{promise['kind']}: {promise['what']}" if promise else ""
        seen = [finding.partition("  (")[0] for finding in found[number]]
        if seen != ([promised] if promised else []):
            wrong.append(f"{sample.name}:{number}: promised {promised or 'nothing'}, seen {found[number] or 'nothing'}")
    assert not wrong, "\n".join(wrong)


def test_every_sample_promises_something() -> None:
    assert SAMPLES
    assert not [sample.name for sample in SAMPLES if not PROMISE.search(sample.read_text())]


def test_the_checker_of_this_file_is_not_blind(findings: dict[str, Findings]) -> None:
    revealed = [said for lines in findings.values() for finding in lines.values() for said in finding]
    assert any(said.startswith("is: ") for said in revealed)
    assert any(said.startswith("error: ") for said in revealed)


@pytest.mark.skipif(find_spec("pyright") is None, reason="pyright is not installed")
def test_pyright_sees_the_same_errors_in_records() -> None:
    sample = Path(__file__).with_name("samples") / "records.py"
    done = subprocess.run(
        [sys.executable, "-m", "pyright", "--pythonpath", sys.executable, "--outputjson", str(sample)],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        timeout=MYPY_TIMEOUT_S,
    )
    found = json.loads(done.stdout)["generalDiagnostics"]
    errors = {said["range"]["start"]["line"] + 1 for said in found if said["severity"] == "error"}
    lines = sample.read_text(encoding="utf-8").splitlines()
    assert errors == {number for number, line in enumerate(lines, start=1) if "# error: " in line}, found
