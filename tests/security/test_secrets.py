"""A secret that the application was given is in no log line, error, representation or output."""

import logging
import os
import subprocess
import sys
import traceback
from dataclasses import fields
from pathlib import Path

import pytest

from faust_core import App
from faust_core.errors import ConfigError, FaustError
from faust_core.protocols.transport import Credentials, TransportContext
from faust_core.settings import Settings
from tests.services.ports import free_port

CANARY = "canary-77d1"
#: passwords that a URL holds as they are: what parses and what does not
PASSWORDS = [
    CANARY,
    f"{CANARY}/x",
    f"x;{CANARY}",
    f"x,{CANARY}",
    f"x@{CANARY}",
    f"x:{CANARY}",
    f"x'{CANARY}",
    f"x?{CANARY}#",
]
CREDENTIALS = Credentials(
    mechanism="SCRAM-SHA-512", username="alice", password=CANARY, key_password=CANARY, token=lambda: (CANARY, 0.0)
)


def all_that_is_said(error: BaseException) -> str:
    """The error as a person, a log and a debugger would see it, with what it came from."""
    return f"{error} {error!r} {error.args} {''.join(traceback.format_exception(error))}"


def test_credentials_show_who_but_never_how() -> None:
    assert CANARY not in repr(CREDENTIALS) + str(CREDENTIALS)
    assert "alice" in repr(CREDENTIALS)


def test_no_representation_has_a_secret() -> None:
    options = {"sasl.password": CANARY, "ssl.key.password": CANARY}
    app = App("app", broker_credentials=CREDENTIALS, consumer_options=options, producer_options=options)
    context = TransportContext(credentials=CREDENTIALS, consumer_options=options, producer_options=options)
    shown = [app, app.conf, context, app.make_transport(), app.__dict__.keys(), vars(app.conf).keys()]
    assert CANARY not in " ".join(map(repr, shown)) + " ".join(map(str, shown))


@pytest.mark.parametrize("name", [field.name for field in fields(Settings) if "parse" in field.metadata])
def test_a_setting_that_is_refused_is_shown_without_the_password_in_it(name: str) -> None:
    said = ""
    try:
        App("app", **{name: f"nothing://alice:x/{CANARY}@host"})
    except ConfigError as exc:
        said = all_that_is_said(exc)
    assert CANARY not in said


@pytest.mark.parametrize("password", PASSWORDS)
def test_a_broker_url_with_a_password_is_refused_without_it(password: str, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"kafka://alice:{password}@broker:9092"
    for broker in (url, ["kafka://other", url]):
        with pytest.raises(ConfigError, match="broker_credentials") as raised:
            App("app", broker=broker).make_transport()
        assert CANARY not in all_that_is_said(raised.value)
    monkeypatch.setenv("BROKER_URL", url)
    with pytest.raises(ConfigError, match="broker_credentials") as raised:
        App("app").make_transport()
    assert CANARY not in all_that_is_said(raised.value)


@pytest.mark.parametrize("password", PASSWORDS)
async def test_a_store_that_cannot_be_reached_is_named_without_its_password(
    password: str, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    caplog.set_level(logging.DEBUG)
    url = f"redis://alice:{password}@127.0.0.1:{free_port()}/0?retry_timeout_s=0.5&socket_timeout_s=0.5"
    app = App("app", broker="memory://", store=url, datadir=tmp_path, topic_partitions=1)
    app.Table("table")

    @app.agent("in")
    async def agent(stream: object) -> None: ...

    with pytest.raises(FaustError) as raised:
        await app.start()
    assert CANARY not in all_that_is_said(raised.value)
    assert CANARY not in caplog.text + repr(app.conf)


PROGRAM = f"""
import faust_core as faust
app = faust.App(
    "app", broker="kafka://127.0.0.1:PORT", broker_start_timeout=1, store="redis://:{CANARY}@127.0.0.1/0",
    broker_credentials=faust.Credentials(mechanism="PLAIN", username="alice", password="{CANARY}"),
    producer_options={{"ssl.key.password": "{CANARY}"}},
)

@app.agent("in")
async def agent(stream):
    async for _ in stream:
        pass
"""


@pytest.mark.parametrize("command", [["--debug", "worker", "-l", "debug"], ["topics"], ["tables"], ["agents"]])
def test_no_command_prints_a_secret(command: list[str], tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(PROGRAM.replace("PORT", str(free_port())))
    done = subprocess.run(
        [sys.executable, "-m", "faust_cli", "-A", "program", *command],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=18,
    )
    assert done.stdout + done.stderr
    assert CANARY not in done.stdout + done.stderr
