"""`faust send`."""

import json
import uuid

import pytest

from faust_cli.commands.send import _parse
from faust_cli.failures import CommandFailed

PROGRAM = """
from dataclasses import dataclass
import faust_core as faust
app = faust.App("{id}", broker="{broker}", topic_partitions=4, broker_start_timeout=10)

@dataclass
class Order:
    amount: float

orders = app.topic("{id}-orders")

@app.agent(orders)
async def count(stream):
    async for key, order in stream.items():
        print("got", key, order, flush=True)
"""


@pytest.mark.parametrize(
    ("text", "value_type", "serializer", "value"),
    [
        ('{"a": 1}', None, "json", {"a": 1}),
        ("12", None, "json", 12),
        ("hello", None, "json", "hello"),
        ('"12"', None, "json", "12"),
        ("12", None, "raw", b"12"),
        ("12", None, "text", "12"),
        ("12", str, "json", "12"),
        ("12", int, "json", 12),
        (None, int, "json", None),
    ],
)
def test_what_a_text_stands_for(text, value_type, serializer, value):
    assert _parse(text, value_type, serializer, "VALUE") == value


def test_a_text_that_is_not_of_the_type_is_refused():
    with pytest.raises(CommandFailed, match="VALUE is not the JSON of a int: "):
        _parse('"x"', int, "json", "VALUE")


def test_nothing_can_be_sent_into_another_process(faust, module):
    name = module(PROGRAM.format(id="shop", broker="memory://"))
    done = faust("-A", name, "send", "shop-orders", "1")
    assert done.exit_code == 1
    assert done.stderr == "Error: memory:// is inside the process of a worker: nothing can be sent from here\n"


def test_an_agent_that_does_not_exist_is_answered_with_those_that_do(faust, module):
    name = module(PROGRAM.format(id="shop", broker="memory://"))
    done = faust("-A", name, "send", "@cuont", "1")
    assert done.stderr == f"Error: @cuont is no agent of this application; there are: @{name}.count\n"


@pytest.mark.parametrize(("wrong", "said"), [("no.such:Type", "No module named"), ("len", "this is no type, but a")])
def test_a_type_that_does_not_exist_is_refused(faust, module, wrong, said):
    done = faust("-A", module(PROGRAM.format(id="shop", broker="memory://")), "send", "shop-orders", "-V", wrong, "1")
    assert done.exit_code == 1
    assert f"Error: -V {wrong}: " in done.stderr
    assert said in done.stderr


@pytest.mark.timeout(60)
def test_records_arrive_and_their_places_are_printed(start, faust, module, kafka):
    app_id = f"cli-{uuid.uuid4().hex[:8]}"
    name = module(PROGRAM.format(id=app_id, broker=f"kafka://{kafka}"))
    worker = start("-m", "faust_cli", "-A", name, "-l", "info", "worker")
    worker.saying("worker ready")
    done = faust("-A", name, "send", "@count", '{"amount": 2}', "-k", "me", "-r", "3", "--partition", "1")
    assert done.exit_code == 0, done.output
    places = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(p["topic_partition"], p["offset"]) for p in places] == [([f"{app_id}-orders", 1], n) for n in range(3)]
    assert all(place["timestamp"] > 0 for place in places)
    worker.saying("got b'me' {'amount': 2}", times=3)
    assert faust("-A", name, "send", f"{app_id}-orders", '{"amount": 3}', "-V", f"{name}:Order").exit_code == 0
    worker.saying("got None {'amount': 3.0}")
    assert faust("-A", name, "send", f"{app_id}-orders").exit_code == 0
    worker.saying("got None None")
