"""What cannot work is refused at start: a line that says what to change, an exit code, and never a hang."""

import socket
import time
from pathlib import Path

import pytest

from tests.e2e.support import ROOT, Application
from tests.services.patience import PATIENCE
from tests.services.ports import free_port

START_LIMIT_S = 30.0


def refused(app: Application, **env: str) -> str:
    """Start a worker and return its last words; it must have refused to run."""
    started = time.monotonic()
    worker = app.worker("worker", state="worker", **env)
    assert worker.wait(START_LIMIT_S + 5) not in {0, -9}, worker.tail()
    assert time.monotonic() - started < START_LIMIT_S * PATIENCE
    text = worker.tail(30)
    assert "Traceback" not in text, text
    return text


@pytest.mark.timeout(60)
def test_an_unreachable_broker_ends_the_worker_with_its_address(kafka: str, unique: str, tmp_path: Path) -> None:
    address = f"127.0.0.1:{free_port()}"
    with Application(kafka, unique, tmp_path, "broken") as app:
        text = refused(app, BROKER_URL=f"kafka://{address}", APP_BROKER_START_TIMEOUT="5")
    assert address in text


@pytest.mark.timeout(60)
def test_a_broker_that_never_answers_ends_the_worker_in_time(kafka: str, unique: str, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, Application(kafka, unique, tmp_path, "broken") as app:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        text = refused(app, BROKER_URL=f"kafka://{address}", APP_BROKER_START_TIMEOUT="5")
    assert address in text


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    ("variable", "url", "names"),
    [
        ("BROKER_URL", "carrier-pigeon://localhost", "carrier-pigeon"),
        ("APP_STORE", "clay-tablets://", "clay-tablets"),
        ("BROKER_URL", "kafka://localhost:notaport", "notaport"),
    ],
)
def test_a_url_that_nothing_serves_is_named(
    kafka: str, unique: str, tmp_path: Path, variable: str, url: str, names: str
) -> None:
    with Application(kafka, unique, tmp_path, "broken") as app:
        text = refused(app, **{variable: url})
    assert names in text


@pytest.mark.timeout(60)
def test_a_plugin_that_is_not_installed_is_named_with_how_to_install_it(
    kafka: str, unique: str, tmp_path: Path
) -> None:
    hidden = tmp_path / "site"
    hidden.mkdir()
    # As if faust-store-rocksdb were not there: neither its entry point nor its module can be found.
    (hidden / "sitecustomize.py").write_text(
        "import importlib.metadata as m\n"
        "real = m.entry_points\n"
        "m.entry_points = lambda **k: m.EntryPoints(e for e in real(**k) if 'rocksdb' not in e.value)\n"
    )
    with Application(kafka, unique, tmp_path, "broken") as app:
        text = refused(app, APP_STORE="rocksdb://", PYTHONPATH=f"{hidden}:{ROOT}")
    assert "pip install faust-store-rocksdb" in text


@pytest.mark.timeout(60)
def test_credentials_that_the_broker_does_not_take_end_the_worker_and_are_not_shown(
    kafka: str, unique: str, tmp_path: Path
) -> None:
    with Application(kafka, unique, tmp_path, "broken") as app:
        text = refused(app, E2E_CASE="wrong credentials", APP_BROKER_START_TIMEOUT="5")
        assert kafka.partition(",")[0].rpartition(":")[2] in text
        assert "canary-41" not in app.workers[0].text()


@pytest.mark.timeout(90)
def test_another_application_with_the_same_id_is_refused_and_harms_nobody(
    kafka: str, unique: str, tmp_path: Path
) -> None:
    with Application(kafka, unique, tmp_path, "broken") as app:
        app.create("events", 2)
        app.create("visits", 2)
        first = app.worker("first").wait_until_ready()
        text = refused(app, E2E_CASE="another application")
        assert f"it reads {unique}-events, this one reads {unique}-visits" in text
        app.produce("events", [(None, b'"a"'), (None, b'"b"')], partitions=2)
        app.wait_until_processed(["events"], 40)
        assert first.tables()["table"] == {"a": 1, "b": 1}
        assert first.terminate() == 0, first.tail()


@pytest.mark.timeout(60)
def test_a_table_that_no_topic_is_partitioned_like_is_refused(kafka: str, unique: str, tmp_path: Path) -> None:
    with Application(kafka, unique, tmp_path, "broken") as app:
        app.create("events", 2)
        text = refused(app, E2E_CASE="table of another size")
    assert "table 'table' has 3 partitions" in text
    assert f"{unique}-events has 2" in text


@pytest.mark.timeout(60)
def test_a_changelog_with_the_wrong_number_of_partitions_is_refused(kafka: str, unique: str, tmp_path: Path) -> None:
    with Application(kafka, unique, tmp_path, "broken") as app:
        app.create("events", 4)
        app.create("table-changelog", 3)
        text = refused(app)
    assert "the changelog topic of table 'table' exists with 3 partitions" in text
    assert f"{unique}-events has 4" in text


@pytest.mark.timeout(60)
def test_a_topic_that_is_missing_and_may_not_be_created_is_named(kafka: str, unique: str, tmp_path: Path) -> None:
    with Application(kafka, unique, tmp_path, "broken") as app:
        text = refused(app, E2E_CASE="forbidden topic")
        assert f"{unique}-events" in text
        assert not app.topics()
