"""How applications of the original are configured: assignments, objects, signals, modules that are looked for."""

from __future__ import annotations

import asyncio
import sys
import textwrap
import types
import warnings
from pathlib import Path

import pytest

import faust_core
from faust_core import App
from faust_core.errors import AlreadyConfiguredWarning, ConfigError, UnknownSetting
from faust_core.signals import Signal


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Writes modules, and forgets them after the test."""
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)

    def write(modules: dict[str, str]) -> Path:
        for name, text in modules.items():
            path = tmp_path / f"{name}.py"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(text))
        return tmp_path

    yield write
    for name in set(sys.modules) - before:
        del sys.modules[name]


# -- assigning settings


def test_an_assigned_setting_counts_as_given_and_what_follows_from_it_follows():
    app = App("shop", datadir="/a")
    conf = app.conf
    conf.datadir = "/b/{conf.name}"
    conf.version = 2
    conf.broker = "kafka://x;y"
    assert app.conf is conf
    assert str(conf.tabledir) == "/b/shop/v2/tables"
    assert (conf.id, conf.dead_letter_topic) == ("shop-v2", "shop-v2-dead-letter")
    assert conf.broker == conf.broker_producer == ("kafka://x", "kafka://y")
    assert {"version", "broker"} <= conf.explicit
    conf.version = None
    assert conf.id == "shop"
    conf.id = "bakery"
    assert (app.id, conf.dead_letter_topic) == ("bakery", "bakery-dead-letter")


def test_an_assignment_is_checked_and_changes_nothing_where_it_is_wrong():
    app = App("shop")
    with pytest.raises(ConfigError, match="broker_commit_interval = 'soon'"):
        app.conf.broker_commit_interval = "soon"
    with pytest.raises(UnknownSetting, match="did you mean 'broker'"):
        app.conf.brokr = "kafka://a"
    with pytest.raises(ConfigError, match="broker_request_timeout"):
        app.conf.broker_session_timeout = 1000
    assert app.conf.explicit == frozenset()
    with pytest.raises(ConfigError, match="id is text"):
        app.conf.id = ""


def test_an_assignment_wins_over_the_environment(monkeypatch):
    monkeypatch.setenv("APP_STORE", "rocksdb://")
    app = App("shop", store="redis://")
    assert app.conf.store == "rocksdb://"
    app.conf.store = "memory://"
    assert app.conf.store == "memory://"


def test_a_setting_that_a_declaration_has_read_warns_when_it_is_changed():
    app = App("shop")
    app.finalize()
    app.conf.value_serializer = "raw"  # nothing has read it
    app.topic("orders")
    with pytest.warns(AlreadyConfiguredWarning, match="value_serializer is changed after topic orders has read it"):
        app.conf.value_serializer = "json"
    assert app.topic("others").value_serializer == "json"
    app.channel()
    with pytest.warns(AlreadyConfiguredWarning, match="a channel"):
        app.conf.stream_buffer_maxsize = 5
    app.agent(name="a")(lambda stream: stream)
    with pytest.warns(AlreadyConfiguredWarning, match="agent a"):
        app.conf.version = 3


async def test_every_setting_warns_while_the_application_runs(lab):
    app = lab.app()
    async with app:
        with pytest.warns(AlreadyConfiguredWarning, match="application app"):
            app.conf.reply_expires = 5
        assert app.conf.reply_expires == 5.0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        app.conf.reply_expires = 6


async def test_a_start_that_fails_leaves_the_settings_free(lab):
    app = lab.app(broker="rabbit://localhost")
    with pytest.raises(ConfigError, match="rabbit"):
        await app.start()
    lab.broker.faults.stop_broker()
    app.conf.change(broker=lab.broker.url, broker_start_timeout=0.1)
    with pytest.raises(faust_core.errors.RetriableTransportError):
        await app.start()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        app.conf.broker_start_timeout = 5
    lab.broker.faults.start_broker()
    async with app:
        pass


def test_the_fixture_of_the_originals_documentation_works():
    app = App("shop")
    app.finalize()
    app.conf.store = "memory://"
    app.flow_control.resume()
    assert app.flow_control.is_active()


async def test_what_is_assigned_is_what_a_start_uses(lab):
    app = App("nameless", broker="kafka://nowhere.invalid")
    app.conf.id = "late"
    app.conf.broker = lab.broker.url
    app.conf.topic_partitions = 3
    app.conf.reply_to_prefix = "answers-to-"

    @app.agent(app.topic("in", internal=True))
    async def agent(stream):
        async for _ in stream:
            pass

    async with app:
        assert len(lab.broker.topics["in"].logs) == 3
        assert app.rpc.topic.startswith("answers-to-")
        assert app.rpc.topic == app.conf.reply_to


# -- settings from objects


class Config:
    BROKER = "kafka://upper"
    store = "memory://"
    topic_partitions = 4
    Table = faust_core.Table
    helper = staticmethod(len)


def test_settings_are_taken_from_an_object_and_win_over_arguments(monkeypatch):
    monkeypatch.setenv("TOPIC_PARTITIONS", "5")
    app = App("shop", broker="kafka://argument", datadir="/kept", config_source=Config)
    assert app.conf.broker == ("kafka://upper",)
    assert app.conf.topic_partitions == 5  # the environment wins
    assert app.conf.Table is faust_core.Table
    assert str(app.conf.datadir) == "/kept"


def test_settings_are_taken_from_a_module_an_attribute_of_one_or_a_dict(project):
    project(
        {
            "settings_a": "import os\nbroker = 'kafka://module'\nBROKER_CLIENT_ID = 'me'\n",
            "settings_b": "class Production:\n    broker = 'kafka://attribute'\n    id = 'renamed'\n",
        }
    )
    app = App("shop")
    app.config_from_object("settings_a")
    assert (app.conf.broker, app.conf.broker_client_id) == (("kafka://module",), "me")
    app.config_from_object("settings_b:Production")
    assert (app.conf.broker, app.id) == (("kafka://attribute",), "renamed")
    app.config_from_object({"broker": "kafka://dict"})
    assert app.conf.broker == ("kafka://dict",)
    with pytest.raises(UnknownSetting, match="did you mean 'broker'"):
        app.config_from_object({"brocker": "kafka://dict"})


def test_a_source_that_is_not_there_is_an_error_unless_it_is_silent(project):
    project({"settings_c": "import nothing_like_this\n", "settings_d": ""})
    app = App("shop")
    with pytest.raises(ConfigError, match="no module 'settings_z'"):
        app.config_from_object("settings_z")
    with pytest.raises(ConfigError, match="settings_d has no 'Production'"):
        app.config_from_object("settings_d:Production")
    app.config_from_object("settings_z", silent=True)
    with pytest.raises(ModuleNotFoundError, match="nothing_like_this"):
        app.config_from_object("settings_c", silent=True)


def test_settings_from_objects_come_before_the_settings_are_final_or_by_force():
    app = App("shop")
    app.finalize()
    with pytest.raises(ConfigError, match="force=True"):
        app.config_from_object(Config)
    app.config_from_object(Config, force=True)
    assert app.conf.broker == ("kafka://upper",)


def test_what_looks_like_a_misspelt_setting_is_said_in_the_log(caplog):
    App("shop").config_from_object(types.SimpleNamespace(brokr="kafka://a", unrelated=1, topic_partitons=3))
    assert [record.getMessage() for record in caplog.records] == [
        "SimpleNamespace has brokr, which is no setting: did you mean broker?",
        "SimpleNamespace has topic_partitons, which is no setting: did you mean topic_partitions?",
    ]


# -- signals


def test_a_handler_of_a_class_is_told_of_all_its_applications():
    told = []

    class Mine(App):
        pass

    class Other(App):
        pass

    @Mine.on_configured.connect
    def configure(app, conf, **kwargs):
        told.append(("class", app.id))
        conf.broker = "kafka://configured"

    def for_all(app, **kwargs):
        told.append(("all", app.id))

    App.on_configured.connect(for_all)
    try:
        mine, other = Mine("mine"), Other("other")
        mine.on_configured.connect(lambda app: told.append(("instance", app.id)))
        mine.finalize()
        mine.finalize()
        other.finalize()
    finally:
        App.on_configured.disconnect(for_all)
    assert told == [("all", "mine"), ("class", "mine"), ("instance", "mine"), ("all", "other")]
    assert mine.conf.broker == ("kafka://configured",)
    assert other.conf.broker == ("kafka://localhost:9092",)
    with pytest.raises(AttributeError, match=r"@app\.on_configured\.connect"):
        mine.on_configured = for_all


def test_the_signals_of_configuration_come_in_order_and_once():
    app = App("shop")
    told = []
    for signal in (app.on_worker_init, app.on_after_configured, app.on_configured, app.on_before_configured):
        signal.connect(lambda app, *, name=signal.name, **kwargs: told.append(name))
    app.finalize()
    app.worker_init()
    app.finalize()
    assert told == ["on_before_configured", "on_configured", "on_after_configured", "on_worker_init"]


def test_an_async_handler_of_a_plain_signal_is_an_error():
    app = App("shop")

    @app.on_configured.connect
    async def configure(app, conf):
        pass

    with pytest.raises(TypeError, match="handler of on_configured cannot be async"):
        app.finalize()


async def test_each_record_that_is_sent_is_told_and_may_get_more_headers(lab):
    app = lab.app()
    topic = app.topic("out", key_type=str)
    told = []

    @app.on_produce_message.connect
    def on_produce_message(app, key=None, value=None, partition=None, timestamp=None, headers=None, **kwargs):
        told.append((key, value, partition, timestamp))
        headers.append(("trace", b"1"))

    async with app:
        lab.broker.create_topic("out", 1)
        await (await topic.send(key="k", value=1, headers={"a": "b"}, timestamp=5.5))
        await topic.send(value=2, partition=0)
    assert told == [(b"k", b"1", None, 5.5), (None, b"2", 0, None)]
    assert [list(record.headers) for record in lab.records("out")] == [
        [("a", b"b"), ("trace", b"1")],
        [("trace", b"1")],
    ]


async def test_what_is_told_is_told_once_though_the_producer_is_full(lab, eventually):
    app = lab.app()
    told = []
    app.on_produce_message.connect(lambda app, value, headers: (told.append(value), headers.append(("n", b"1"))))
    async with app:
        lab.broker.create_topic("out", 1)
        lab.broker.faults.clog()
        sending = asyncio.create_task(app.send("out", value=0))
        await eventually(lambda: told)
        await asyncio.sleep(0.05)
        assert not sending.done()
        lab.broker.faults.unclog()
        await sending
        for n in (1, 2):
            await app.send("out", value=n)
    assert told == [b"0", b"1", b"2"]


# -- hooks


async def test_a_subclass_may_have_methods_with_the_names_of_signals(lab):
    calls = []

    class Mine(App):
        async def on_started(self):
            await super().on_started()
            calls.append(("method", self.started))

    app = Mine("mine", broker=lab.broker.url)
    app.signals.on_started.connect(lambda app: calls.append(("signal", app.started)))
    async with app:
        assert calls == [("signal", True), ("method", True)]
    assert isinstance(App.on_started, Signal)


# -- looking for modules

AGENTS = """
    from {package}.app import app

    @app.agent(app.topic("{name}"))
    async def {name}(stream):
        async for _ in stream:
            pass
"""


def test_modules_inside_of_a_package_are_found_but_no_tests_and_no_main(project):
    project(
        {
            "proj/app": "import faust_core\napp = faust_core.App('p', autodiscover=True, origin='proj')\n",
            "proj/__init__": "",
            "proj/orders/__init__": "",
            "proj/orders/agents": AGENTS.format(package="proj", name="orders"),
            "proj/stock": AGENTS.format(package="proj", name="stock"),
            "proj/tests/__init__": "raise AssertionError('imported')",
            "proj/orders/test_agents": "raise AssertionError('imported')",
            "proj/__main__": "raise AssertionError('imported')",
        }
    )
    from proj.app import app

    app.discover_once()
    assert sorted(app.agents) == ["proj.orders.agents.orders", "proj.stock.stock"]
    app.discover()  # again: what is imported stays
    assert len(app.agents) == 2


def test_modules_to_look_into_are_named_or_found_by_a_function_or_given(project):
    project(
        {f"part_{name}": f"import parts\nparts.found.append('{name}')" for name in "abcd"} | {"parts": "found = []"}
    )
    import parts

    app = App("shop", autodiscover=["part_a"])
    app.discover("part_b", ignore=[])
    assert sorted(parts.found) == ["a", "b"]
    App("shop", autodiscover=lambda: ["part_c", ""]).discover()
    assert parts.found[2:] == ["c"]
    App("shop", autodiscover="part_d").discover()
    assert parts.found[3:] == ["d"]


def test_names_patterns_and_functions_leave_modules_out(project):
    project(
        {f"pick/{name}": f"import pick\npick.names.append('{name}')" for name in "abc"}
        | {"pick/__init__": "names = []"}
    )
    import pick

    App("shop").discover("pick", ignore=["pick.a", lambda name: name.endswith("b")])
    assert pick.names == ["c"]
    App("shop").discover("pick", ignore=[".b"])
    assert pick.names == ["c", "a"]


def test_looking_for_modules_says_what_is_wrong(project):
    project({"broken": "import nothing_like_this"})
    with pytest.raises(ConfigError, match="origin='package'"):
        App("shop", autodiscover=True).discover()
    with pytest.raises(ConfigError, match="no module 'nowhere'"):
        App("shop", autodiscover=["nowhere.agents"]).discover()
    with pytest.raises(ModuleNotFoundError, match="nothing_like_this"):
        App("shop").discover("broken")
    with pytest.raises(ConfigError, match="names of modules"):
        App("shop", autodiscover=[1])


async def test_starting_looks_for_modules_once(project, lab):
    project({"counted": "import counting\ncounting.times += 1", "counting": "times = 0"})
    app = lab.app(autodiscover=["counted"])
    for _ in range(2):
        async with app:
            pass
    assert sys.modules["counting"].times == 1
    assert "counted" in sys.modules


# -- classes of the program's own


class Ledger(faust_core.Table):
    pass


class LoudTopic(faust_core.Topic):
    pass


class LoudAgent(faust_core.Agent):
    pass


class Upper(faust_core.Schema):
    def __init__(self) -> None:
        super().__init__(value_type=str, value_serializer="raw")


def test_classes_may_be_replaced_by_subclasses_or_where_these_are():
    app = App(
        "shop",
        Table=Ledger,
        Topic=f"{__name__}:LoudTopic",
        Agent=f"{__name__}.LoudAgent",
        Schema=Upper,
        SetTable=faust_core.SetTable,
        GlobalTable=faust_core.GlobalTable,
        SetGlobalTable=faust_core.SetGlobalTable,
    )
    agent = app.agent("in")(lambda stream: stream)
    assert type(app.Table("t")) is Ledger
    assert type(app.topic("a")) is type(agent.topic) is LoudTopic
    assert type(agent) is LoudAgent
    assert app.topic("a").value_serializer == "raw"
    assert app.topic("a", value_serializer="json").value_serializer == "json"
    assert type(app.SetTable("s")) is faust_core.SetTable
    assert type(app.GlobalTable("g")) is faust_core.GlobalTable
    assert type(app.SetGlobalTable("sg")) is faust_core.SetGlobalTable


def test_a_class_that_does_not_fit_is_an_error():
    with pytest.raises(ConfigError, match=r"Table = <class 'dict'> is no subclass of faust\.Table"):
        App("shop", Table=dict).Table("t")
    with pytest.raises(ConfigError, match="setting Topic: there is no module 'nowhere'"):
        App("shop", Topic="nowhere:Topic").topic("t")
    with pytest.raises(ConfigError, match="where it is, as in"):
        App("shop", Table="no path")
    with pytest.raises(ConfigError, match="use_partitioner does not go together"):
        App("shop", Table=Ledger).Table("t", use_partitioner=True)


@pytest.mark.parametrize("name", ["Event", "Stream", "TableManager", "Router", "HttpClient", "PartitionAssignor"])
async def test_a_class_without_effect_says_so_once(lab, caplog, name):
    caplog.set_level("INFO")
    app = lab.app(**{name: dict})
    for _ in range(2):
        async with app:
            pass
    said = [r.getMessage() for r in caplog.records if "no effect" in r.getMessage()]
    assert said == [f"setting {name} is accepted, and has no effect here"]


async def test_a_partitioner_is_warned_of(lab, caplog):
    async with lab.app(producer_partitioner=lambda key, every, available: every[0]):
        pass
    [said] = [record for record in caplog.records if "producer_partitioner" in record.getMessage()]
    assert said.levelname == "WARNING"
    assert "pass partition= when sending" in said.getMessage()
