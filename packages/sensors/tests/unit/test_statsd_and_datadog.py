"""What the clients of StatsD and Datadog put on the wire, read from a real socket."""

from faust_core.testing import TestDriver
from faust_sensors import DatadogMonitor, StatsdMonitor
from faust_sensors.statsd import named


async def test_statsd_gets_sums_gauges_and_durations_under_the_names_of_the_original(server, make_application):
    monitor = StatsdMonitor(host="127.0.0.1", port=server.port, prefix="shop")
    app, numbers = make_application(monitor=monitor)
    async with TestDriver(app, raise_errors=False) as driver:
        await driver.put(numbers, 1, 2, 3, -1)
        await app.commit()
        monitor.count("orders", 2)
        await monitor.refresh()
        monitor.on_report()
        lines = await server.until("shop.orders", "shop.errors.agent_count", "shop.lag.numbers.0")
    assert "shop.messages_received:4|c" in lines
    assert "shop.topic.numbers.messages_received:4|c" in lines
    assert "shop.events:4|c" in lines
    assert "shop.stream.count.events:4|c" in lines
    assert "shop.messages_sent:3|c" in lines
    assert "shop.topic.out.messages_sent:3|c" in lines
    assert "shop.table.counts.keys_updated:1|c" in lines
    assert "shop.dead_letters.agent_count:1|c" in lines
    assert "shop.errors.agent_count:1|c" in lines
    assert "shop.orders:2|c" in lines
    assert "shop.rebalances:1|c" in lines
    assert "shop.messages_active:0|g" in lines
    assert "shop.read_offset.numbers.0:3|g" in lines
    assert "shop.committed_offset.numbers.0:4|g" in lines
    assert "shop.end_offset.numbers.0:4|g" in lines
    assert "shop.lag.numbers.0:0|g" in lines
    for name in ("commit_latency", "send_latency", "rebalance_end_latency", "events_runtime"):
        assert any(line.startswith(f"shop.{name}:") and line.endswith("|ms") for line in lines), name


async def test_a_sum_is_sent_once(server, make_application):
    monitor = StatsdMonitor(host="127.0.0.1", port=server.port, prefix="p")
    monitor.report_interval_s = 1_000.0
    app, numbers = make_application(monitor=monitor)
    async with TestDriver(app) as driver:
        await driver.put(numbers, 1)
        monitor.on_report()
        monitor.on_report()
        await driver.put(numbers, 2, 3)
    await server.until("p.stream.count.events:2|c")
    assert [line for line in server.lines if line.startswith("p.events:")] == ["p.events:1|c", "p.events:2|c"]


def test_a_server_that_cannot_be_found_costs_numbers_and_nothing_else(caplog):
    monitor = StatsdMonitor(host="::1")  # no address of the family that is used
    monitor.count("orders")
    monitor.count("orders")
    assert monitor.metric_counts == {"orders": 2}
    assert len([record for record in caplog.records if "cannot send" in record.message]) == 1


def test_names_hold_nothing_that_statsd_takes_for_its_own():
    assert named("events", {"stream": "stream-a:b|c d"}) == "stream.stream-a_b_c_d.events"
    assert named("lag", {"topic": "a.b", "partition": "3"}) == "lag.a.b.3"
    assert named("my count!", {}) == "my_count"


async def test_datadog_gets_labels_as_tags(server, make_application):
    monitor = DatadogMonitor(host="127.0.0.1", port=server.port, prefix="shop")
    app, numbers = make_application(monitor=monitor)
    async with TestDriver(app) as driver:
        await driver.put(numbers, 1, 2)
        await app.commit()
        await monitor.refresh()
        monitor.on_report()
        lines = await server.until("shop.lag", "shop.table_keys_updated")
    assert "shop.messages_received:2|c|#topic:numbers" in lines
    assert "shop.events:2|c|#stream:count" in lines
    assert "shop.table_keys_updated:1|c|#table:counts" in lines
    assert "shop.lag:0|g|#topic:numbers,partition:0" in lines
    assert not any(line.startswith("shop.messages_received:") and "#" not in line for line in lines), "counted twice"
    assert any(line.startswith("shop.commit_latency:") for line in lines)
