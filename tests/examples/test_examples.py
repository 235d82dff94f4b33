"""Every program of examples/ runs, without a broker and on Apache Kafka, prints what it should and stops well."""

from __future__ import annotations

import re

import pytest

from tests.examples.conftest import Start
from tests.examples.programs import EXAMPLES, FOLDER, Example, counts

pytestmark = pytest.mark.timeout(120)

each = pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
each_on_kafka = pytest.mark.parametrize(
    "example",
    [
        pytest.param(example, marks=[pytest.mark.registry] if example.registry else [], id=example.name)
        for example in EXAMPLES
        if not example.embedded
    ],
)

#: Kafka's clients log as errors what they try again: a new broker is not ready at once.
OURS = re.compile(r"\[(ERROR|CRITICAL)\] faust_(core|models|cli)|^(Error:|Traceback)")

#: The only errors that an example has in its log are those that it is about.
MEANT = {
    "dead_letters": re.compile(r"dead_letters\.book failed on payments/"),
    "answers": re.compile(r"^Traceback"),  # of the division by zero
}


def check(example: Example, start: Start, broker_url: str, **environment: str) -> None:
    """Run it until it has printed all, stop it, look at its log."""
    run = start(example, broker_url, **environment)
    if example.worker:
        run.wait_until(example.complete)
        assert run.stop() == 0, run.log
    else:
        assert run.end() == 0, run.log
        assert example.complete(run.output), run.output + run.log
    errors = [line for line in run.log.splitlines() if OURS.search(line)]
    meant = MEANT.get(example.name)
    if meant is None:
        assert not errors, run.log
    else:
        assert [line for line in errors if meant.search(line)], run.log


def test_every_example_has_a_test() -> None:
    assert {path.stem for path in FOLDER.glob("*.py")} == {example.name for example in EXAMPLES}


def test_every_example_says_how_it_is_run() -> None:
    for example in EXAMPLES:
        docstring = example.path.read_text(encoding="utf-8").split('"""')[1]
        assert "Run it by `" in docstring, example.path


@each
def test_an_example_runs_without_a_broker(example: Example, start: Start) -> None:
    check(example, start, "memory://")


@each_on_kafka
def test_an_example_runs_on_kafka(example: Example, start: Start, kafka: str, as_new: dict[str, str]) -> None:
    check(example, start, f"kafka://{kafka}", **as_new)


def test_counts_go_on_where_a_stopped_worker_left_them(start: Start, kafka: str, as_new: dict[str, str]) -> None:
    (orders,) = (example for example in EXAMPLES if example.name == "orders")
    pattern = r"^(account-\d) has (\d+) orders$"
    first = start(orders, f"kafka://{kafka}", **as_new)
    first.wait_until(orders.complete)
    assert first.stop() == 0, first.log
    second = start(orders, f"kafka://{kafka}", **as_new)
    second.wait_until(lambda output: len(set(re.findall(pattern, output, re.MULTILINE))) >= 6)
    assert second.stop() == 0, second.log
    assert sum(counts(pattern, first.output + second.output).values()) >= 12
