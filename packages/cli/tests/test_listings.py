"""`faust tables`, `faust topics`."""

import json

PROGRAM = """
import faust_core as faust
app = faust.App("shop", broker="{broker}", broker_start_timeout=1)
orders = app.topic("orders")
totals = app.Table("totals", default=int, help="What was ordered.\\nIn all.")
hourly = app.Table("hourly", default=int).tumbling(3600)

@app.agent(orders)
async def count(stream): ...

@app.agent()
async def own(stream): ...
"""


def test_tables_with_changelogs_and_windows(faust, module):
    done = faust("-A", module(PROGRAM.format(broker="memory://")), "tables", "--json")
    assert json.loads(done.stdout) == [
        {"name": "hourly", "changelog": "shop-hourly-changelog", "window": "TumblingWindow", "help": ""},
        {"name": "totals", "changelog": "shop-totals-changelog", "window": None, "help": "What was ordered."},
    ]


def test_columns_are_aligned(faust, module):
    lines = faust("-A", module(PROGRAM.format(broker="memory://")), "tables").stdout.splitlines()
    assert lines[0].split() == ["NAME", "CHANGELOG", "WINDOW", "HELP"]
    assert {line.index("shop-") for line in lines[1:]} == {lines[0].index("CHANGELOG")}


def test_an_application_without_any_says_so(faust, module):
    name = module("import faust_core as faust\napp = faust.App('empty', broker='memory://')\n")
    assert faust("-A", name, "tables").stdout == "application empty has no tables\n"
    assert faust("-A", name, "agents", "--json").stdout == "[]\n"


def test_topics_are_those_declared_and_those_that_follow_from_tables(faust, module):
    name = module(PROGRAM.format(broker="memory://"))
    rows = json.loads(faust("-A", name, "topics", "--json").stdout)
    assert {row["name"]: row["kind"] for row in rows} == {
        "orders": f"input of {name}.count",
        f"shop-{name}.own": f"input of {name}.own",
        "shop-totals-changelog": "changelog of totals",
        "shop-hourly-changelog": "changelog of hourly",
        "shop-dead-letter": "dead letters",
    }


def test_topics_are_listed_when_the_broker_is_away(faust, module):
    done = faust("-A", module(PROGRAM.format(broker="kafka://127.0.0.1:1")), "topics")
    assert done.exit_code == 0
    assert "orders" in done.stdout
    assert "PARTITIONS" not in done.stdout
    assert "note: partition counts are not known: " in done.stderr
