"""`faust reset`."""

import json
import signal
import uuid

import pytest

PROGRAM = """
import faust_core as faust
app = faust.App("{id}", broker="kafka://{broker}", topic_partitions=2, datadir="state", store="rocksdb://")
totals = app.Table("totals", default=int)

@app.agent("{id}-orders")
async def count(stream):
    async for order in stream:
        totals["all"] += 1
        print("total", totals["all"], flush=True)
"""


def test_what_is_inside_a_process_cannot_be_reset(faust, module):
    name = module("import faust_core as faust\napp = faust.App('shop', broker='memory://')\n")
    assert "Error: memory:// is inside the process of a worker" in faust("-A", name, "reset", "--yes").stderr


def test_dry_run_and_yes_exclude_each_other(faust):
    assert faust("reset", "--yes", "--dry-run").exit_code == 2


@pytest.mark.timeout(90)
def test_everything_derived_goes_when_no_worker_runs(start, faust, module, kafka):
    app_id = f"cli-{uuid.uuid4().hex[:8]}"
    name = module(PROGRAM.format(id=app_id, broker=kafka))
    worker = start("-m", "faust_cli", "-A", name, "-l", "info", "worker")
    worker.saying("worker ready")
    assert faust("-A", name, "send", f"{app_id}-orders", "1", "--partition", "0", "-r", "2").exit_code == 0
    worker.saying("total 2")

    refused = faust("-A", name, "reset", "--yes")
    assert refused.exit_code == 1
    assert f"1 worker of {app_id} still running" in refused.stderr
    worker.send(signal.SIGTERM)
    assert worker.code(timeout=30) == 0

    derived = {
        "group": app_id,
        "topics": {f"{app_id}-totals-changelog": "changelog"},
        "stores": [{"datadir": "state", "table": "totals", "partition": partition} for partition in (0, 1)],
    }
    for _ in range(2):  # saying what would go changes nothing
        said = faust("-A", name, "reset", "--json")
        assert json.loads(said.stdout) == {"deleted": False, **derived}
    done = faust("-A", name, "reset", "--yes", "--json")
    assert json.loads(done.stdout) == {"deleted": True, **derived}
    after = json.loads(faust("-A", name, "reset", "--json").stdout)
    assert (after["topics"], after["stores"]) == ({}, [])

    again = start("-m", "faust_cli", "-A", name, "worker")
    again.saying("total 2")  # the input is still there, and read from its beginning
    assert "total 1" in again.stdout


JOINING = """
import faust_core as faust
app = faust.App("{id}", broker="kafka://{broker}", topic_partitions=1)
left, right = app.Table("left", key_type=str), app.Table("right", key_type=str)

@app.agent("{id}-in", name="pair")
async def pair(stream):
    async for _ in stream.join(app.topic("{id}-other").stream(), within=1):
        pass

@app.agent(left.join(right))
async def equal(changes):
    async for _ in changes:
        pass

@app.agent(left.join(right, on=str))
async def foreign(changes):
    async for _ in changes:
        pass
"""


@pytest.mark.timeout(90)
def test_what_joins_keep_goes_too(start, faust, module, kafka):
    app_id = f"cli-{uuid.uuid4().hex[:8]}"
    name = module(JOINING.format(id=app_id, broker=kafka))
    worker = start("-m", "faust_cli", "-A", name, "-l", "info", "worker")
    worker.saying("worker ready")
    worker.send(signal.SIGTERM)
    assert worker.code(timeout=30) == 0
    found = json.loads(faust("-A", name, "reset", "--yes", "--json").stdout)
    assert found["topics"] == {
        f"{app_id}-left-changelog": "changelog",
        f"{app_id}-left-right-foreign-join-answers-repartition": "repartition",
        f"{app_id}-left-right-foreign-join-asks-repartition": "repartition",
        f"{app_id}-left-right-foreign-join-changelog": "changelog",
        f"{app_id}-left-right-foreign-join-index-changelog": "changelog",
        f"{app_id}-left-right-join-changelog": "changelog",
        f"{app_id}-pair-{app_id}-in-{app_id}-other-join-changelog": "changelog",
        f"{app_id}-right-changelog": "changelog",
    }
