"""The text that Prometheus reads, by its own parser; from a registry, and over HTTP."""

import threading

import httpx
import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from faust_core.sensors import exposition, families
from faust_core.testing import TestDriver
from faust_sensors import setup_prometheus_sensors


def parsed(text: str) -> dict:
    """Return samples by name and labels; fails where the text is not what Prometheus takes."""
    found = {}
    for family in text_string_to_metric_families(text):
        assert family.documentation
        for sample in family.samples:
            key = (sample.name, *sorted(sample.labels.items()))
            assert key not in found, f"twice: {key}"
            found[key] = sample.value
    return found


async def read(app, path="/metrics"):
    transport = httpx.ASGITransport(app=app.asgi())
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        return await client.get(path)


A = ("app", "watched")


async def test_our_own_text_and_that_of_the_client_say_the_same(make_application):
    app, numbers = make_application()
    setup_prometheus_sensors(app, registry=(registry := CollectorRegistry()))
    async with TestDriver(app, raise_errors=False) as driver:
        await driver.put(numbers, 1, 2, -1)
        await app.commit()
        await app.monitor.refresh()
        ours = parsed(exposition(families(app.monitor), {"app": app.conf.id}))
        theirs = parsed(generate_latest(registry).decode())
    moving = {"faust_checkpoint_age_seconds", "faust_event_age_seconds"}
    assert {key for key in ours if key[0] not in moving} == {key for key in theirs if key[0] not in moving}
    assert (
        ours["faust_events_total", A, ("stream", "count")] == theirs["faust_events_total", A, ("stream", "count")] == 3
    )
    assert theirs["faust_records_received_total", A, ("topic", "numbers")] == 3
    assert theirs["faust_records_sent_total", A, ("topic", "out")] == 2
    assert theirs["faust_dead_letters_total", A, ("source", "agent count")] == 1
    assert theirs["faust_errors_total", A, ("source", "agent count")] == 1
    assert theirs["faust_lag_records", A, ("partition", "0"), ("topic", "numbers")] == 0
    assert theirs["faust_committed_offset", A, ("partition", "0"), ("topic", "numbers")] == 3
    assert theirs["faust_tasks", A, ("state", "running")] >= 1
    assert theirs["faust_up", A] == 1
    assert (
        theirs["faust_checkpoint_seconds_bucket", A, ("le", "+Inf")] == theirs["faust_checkpoint_seconds_count", A] > 0
    )
    assert theirs["faust_checkpoint_seconds_sum", A] > 0


async def test_the_metrics_are_served_where_they_were_set_up(make_application):
    app, numbers = make_application()
    setup_prometheus_sensors(app, pattern="/numbers", registry=CollectorRegistry())
    async with TestDriver(app) as driver:
        await driver.put(numbers, 1)
        assert (await read(app)).status_code == 404
        response = await read(app, "/numbers")
    assert response.headers["content-type"].startswith("text/plain")
    assert parsed(response.text)["faust_events_total", A, ("stream", "count")] == 1
    assert parsed(response.text)["faust_end_offset", A, ("partition", "0"), ("topic", "numbers")] == 1


async def test_the_setting_serves_them_without_the_client(make_application):
    app, numbers = make_application(web_metrics_enabled=True)
    async with TestDriver(app) as driver:
        await driver.put(numbers, 1)
        first = await read(app)
        second = await read(app)
    assert first.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert parsed(first.text)["faust_events_total", A, ("stream", "count")] == 1
    assert parsed(second.text)["faust_http_requests_total", A, ("status", "200")] == 1


async def test_they_need_the_token_where_there_is_one(make_application):
    app, _ = make_application(web_metrics_enabled=True, web_token="secret")
    async with TestDriver(app):
        assert (await read(app)).status_code == 401


async def test_without_the_setting_there_is_no_such_page(make_application):
    app, _ = make_application()
    async with TestDriver(app):
        assert (await read(app)).status_code == 404


async def test_applications_that_share_a_registry_are_told_apart(make_application):
    registry = CollectorRegistry()
    one, numbers = make_application("one")
    two, _ = make_application("two")
    for app in (one, two, one):
        setup_prometheus_sensors(app, registry=registry)
    async with TestDriver(one) as driver:
        await driver.put(numbers, 1)
        found = parsed(generate_latest(registry).decode())
    assert found["faust_up", ("app", "one")] == 1
    assert found["faust_up", ("app", "two")] == 0


async def test_names_may_begin_otherwise(make_application):
    app, _ = make_application()
    setup_prometheus_sensors(app, registry=(registry := CollectorRegistry()), name_prefix="shop")
    found = parsed(generate_latest(registry).decode())
    assert found["shop_up", A] == 0
    assert all(name.startswith("shop_") for name, *_ in found)


async def test_a_registry_is_read_on_another_thread(make_application):
    app, numbers = make_application()
    setup_prometheus_sensors(app, registry=(registry := CollectorRegistry()))
    texts: list[bytes] = []
    over = threading.Event()

    def collect() -> None:
        while not over.is_set():
            texts.append(generate_latest(registry))

    thread = threading.Thread(target=collect)
    async with TestDriver(app) as driver:
        thread.start()
        try:
            await driver.put(numbers, *range(500))
        finally:
            over.set()
            thread.join()
    assert texts
    assert all(parsed(text.decode()) for text in (texts[0], texts[-1]))


@pytest.mark.parametrize("value", ['with "quotes"', "back\\slash", "new\nline"])
def test_labels_are_read_as_they_were(make_application, value):
    app, _ = make_application()
    app.monitor.count(value)
    found = parsed(exposition(families(app.monitor)))
    assert found["faust_app_counts_total", ("name", value)] == 1
