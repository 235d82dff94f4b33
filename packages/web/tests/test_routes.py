"""Pages that run where their key is, and what workers tell of who has what."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import httpx
import pytest

from faust_core import App
from faust_core.errors import ConfigError, QueryError
from faust_web import View
from faust_web.routing import ROUTED

from .conftest import PARTITIONS, Cluster, Worker


def with_pages(worker: Worker) -> None:
    """Pages that say which worker has answered."""
    app, name = worker.app, worker.name

    @app.page("/last/{key}")
    class Last(View):
        @app.table_route(worker.last, match_info="key")
        async def get(self, request, key):
            headers = {
                "X-Worker": name,
                "X-Seen": request.headers.get("x-mine", ""),
                "Access-Control-Allow-Origin": "x",
            }
            return self.json(worker.last.on(cluster_partition(key))[key], headers=headers)

        @app.table_route(worker.last, match_info="key")
        async def post(self, request, key):
            worker.posted.append(key)
            return self.text(f"{name} {await request.text()}", status=201)

    @app.page("/query")
    @app.table_route(table=worker.last, query_param="key")
    async def by_query(self, request):
        return self.text(f"{name} {request.query['key']}")

    @app.page("/old")
    @app.table_route(worker.seen, "key")
    async def by_older_name(self, request):
        return self.text(name)

    @app.page("/exact")
    @app.table_route(worker.hours, exact_key="k1")
    async def exact(self, request):
        return self.text(name)

    @app.page("/topic/{key}")
    @app.topic_route("in", match_info="key")
    async def by_topic(self, request, key):
        return self.text(name)


def cluster_partition(key: str) -> int:
    return Cluster.partition(key)


@pytest.fixture
async def two(cluster, eventually):
    """Two workers with pages, and k0 to k11 in their tables."""
    cluster.prepare = with_pages
    first, second = await cluster.start_two()
    for n in range(12):
        cluster.put(f"k{n}", n)
    await cluster.processed()
    return first, second


def owner(two: tuple[Worker, Worker], key: str) -> str:
    return next(worker.name for worker in two if Cluster.partition(key) in worker.owned())


@pytest.mark.timeout(60)
async def test_a_page_runs_where_its_key_is_whoever_is_asked(two):
    owners = {owner(two, f"k{n}") for n in range(12)}
    assert owners == {"w1", "w2"}
    for worker in two:
        async with worker.client(headers={"X-Mine": "me"}) as client:
            for n in range(12):
                response = await client.get(f"/last/k{n}")
                assert (response.status_code, response.json()) == (200, n)
                assert response.headers["x-worker"] == owner(two, f"k{n}")
                assert response.headers["x-seen"] == "me"
                assert (await client.get(f"/query?x=%2F&key=k{n}")).text == f"{owner(two, f'k{n}')} k{n}"
                assert (await client.get(f"/topic/k{n}")).text == owner(two, f"k{n}")
                assert (await client.get(f"/old?key=k{n}")).text == owner(two, f"k{n}")
            assert (await client.get("/exact")).text == owner(two, "k1")
            posted = await client.post("/last/k2", content="ü".encode())
            assert (posted.status_code, posted.text) == (201, f"{owner(two, 'k2')} ü")
            head = await client.head("/last/k2")
            assert (head.status_code, head.headers["x-worker"]) == (200, owner(two, "k2"))
    assert sum(worker.posted.count("k2") for worker in two) == 2


async def test_what_is_wrong_is_answered_by_whoever_is_asked(two):
    first, _ = two
    response = await first.get("/query")
    assert (response.status_code, response.json()["error"]) == (400, "missing_parameter")
    assert "'key'" in response.json()["reason"]
    app = first.app

    @app.page("/numbers/{key}")
    @app.table_route("nothing", match_info="key")
    async def unknown(self, request, key):
        return self.text("never")

    @app.page("/no-part")
    @app.table_route(first.last, match_info="key")
    async def no_part(self, request):
        return self.text("never")

    @app.page("/unread/{key}")
    @app.topic_route("unread", match_info="key")
    async def unread(self, request, key):
        return self.text("never")

    response = await first.get("/numbers/1")
    assert (response.status_code, response.json()["error"]) == (404, "no_such_table")
    assert (await first.get("/no-part")).status_code == 500
    response = await first.get("/unread/1")
    assert (response.status_code, response.json()["error"]) == (400, "no_such_topic")


async def test_a_request_that_was_handed_on_is_never_handed_on_again(two):
    first, second = two
    (key,) = [f"k{n}" for n in range(12) if owner(two, f"k{n}") == second.name][:1]
    response = await first.get(f"/last/{key}", headers={ROUTED: "1"})
    assert (response.status_code, response.json()["error"]) == (503, "not_owner")
    assert response.headers["retry-after"] == "1"
    # Each takes the other for the owner: nobody answers, and nothing goes round.
    for worker, other in ((first, second), (second, first)):
        plan = worker.app.worker.member.plan
        hosts = {task_id: host._replace(owner=other.url) for task_id, host in plan.hosts.items()}
        object.__setattr__(plan, "hosts", hosts)
        worker.app.conf = worker.app.conf.with_options(query_timeout=0.3)
    task_id = second.app.worker.topics.task_of("last", Cluster.partition(key))
    taken = second.app.worker.rebalancer.tasks.pop(task_id)
    for worker in two:
        response = await worker.get(f"/last/{key}")
        assert (response.status_code, response.json()["error"]) == (503, "not_owner")
        assert response.headers["retry-after"] == "1"
    second.app.worker.rebalancer.tasks[task_id] = taken


@pytest.mark.timeout(60)
async def test_while_a_key_moves_a_page_waits_and_nothing_is_done_twice(cluster, two, eventually):
    first, second = two
    stop = asyncio.Event()
    statuses: list[int] = []

    async def post() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            async with first.client(timeout=30) as client:
                response = await client.post(f"/last/k{number % 12}", content=b"x")
                statuses.append(response.status_code)

    posting = asyncio.create_task(post())
    await eventually(lambda: len(statuses) > 5)
    await cluster.stop(second)
    before = len(statuses)
    await eventually(lambda: len(statuses) > before + 20 and len(first.owned()) == PARTITIONS, 15)
    stop.set()
    await posting
    assert set(statuses) <= {201, 503}
    assert statuses.count(201) == len(first.posted) + len(second.posted)


async def test_what_must_not_be_repeated_is_not_when_the_connection_breaks(two):
    first, second = two
    (key,) = [f"k{n}" for n in range(12) if owner(two, f"k{n}") == second.name][:1]
    seen: list[bytes] = []

    async def break_off(reader: Any, writer: Any) -> None:
        seen.append(await reader.readuntil(b"\r\n\r\n"))
        writer.close()

    server = await asyncio.start_server(break_off, "127.0.0.1", 0)
    plan = first.app.worker.member.plan
    broken = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    changed = {task_id: host._replace(owner=broken) for task_id, host in plan.hosts.items()}
    object.__setattr__(plan, "hosts", changed)
    first.app.conf = first.app.conf.with_options(query_timeout=0.5)
    async with first.client() as client:
        response = await client.post(f"/last/{key}", content=b"x")
        assert (response.status_code, response.json()["error"]) == (503, "unreachable")
        assert "is not known" in response.json()["reason"]
        assert len(seen) == 1
        assert (await client.get(f"/last/{key}")).status_code == 503
        assert len(seen) > 2
    server.close()
    response = await first.get(f"/last/{key}")
    assert (response.status_code, response.json()["error"]) == (503, "unreachable")


async def test_workers_that_serve_nothing_are_named(cluster, eventually):
    cluster.prepare = with_pages
    first = await cluster.start("w1")
    await cluster.start("w2", web_enabled=False)
    await eventually(cluster.settled)
    (key,) = [f"k{n}" for n in range(12) if Cluster.partition(f"k{n}") not in first.owned()][:1]
    response = await first.get(f"/last/{key}")
    assert (response.status_code, response.json()["error"]) == (503, "no_endpoint")
    assert "leave web_enabled on" in response.json()["reason"]
    response = await first.get(f"/router/last/{key}")
    assert (response.status_code, response.json()["error"], response.headers["retry-after"]) == (
        503,
        "no_endpoint",
        "1",
    )


# -- built-in pages


async def test_the_router_says_who_has_what(two):
    for worker in two:
        async with worker.client() as client:
            tables = (await client.get("/router/")).json()
            assert set(tables) == {w.url for w in two}
            for each in two:
                assert set(tables[each.url]["app-last-changelog"]) == each.owned()
                assert set(tables[each.url]) == {"app-last-changelog", "app-hours-changelog", "app-seen-changelog"}
            assert (await client.get("/router/last/")).json() == {
                url: {"app-last-changelog": topics["app-last-changelog"]} for url, topics in tables.items()
            }
            topics = (await client.get("/router/topics")).json()
            assert {url: set(found["in"]) for url, found in topics.items()} == {w.url: w.owned() for w in two}
            for n in range(12):
                url = (await client.get(f"/router/last/k{n}/")).json()
                assert url == next(w.url for w in two if w.name == owner(two, f"k{n}"))
                assert worker.app.router.key_store("last", f"k{n}") == url
                assert worker.app.router.external_topic_key_store(worker.app.topic("in"), f"k{n}") == url
            for path, status, error in (
                ("/router/nothing/", 404, "no_such_table"),
                ("/router/nothing/k/", 404, "no_such_table"),
                ("/router/last/" + "x" * 20_000, 414, "too_large"),
            ):
                response = await client.get(path)
                assert (response.status_code, response.json()["error"]) == (status, error)
            assert (await client.post("/router/")).status_code == 405
            assert (await client.get("/")).json() == {"status": "OK"}
            assert (await client.get("/stats")).status_code == (await client.get("/assignment/")).status_code == 404


async def test_with_debug_a_worker_tells_what_it_does(cluster, eventually):
    first = await cluster.start("w1", debug=True)
    second = await cluster.start("w2", web_stats_enabled=True, web_router_enabled=False)
    await eventually(cluster.settled)
    await eventually(lambda: len(first.app.worker.rebalancer.tasks) == PARTITIONS)
    stats = (await first.get("/stats")).json()
    assert stats["tasks"] == {"standby": 3, "restoring": 0, "running": 3}
    assert stats["agents"] == {"keep": {"actors": 1}}
    assert (stats["app"], stats["started"], stats["ready"], stats["url"]) == ("app", True, True, first.url)
    assert set(stats["cache"]) == {"hits", "misses", "stored", "unavailable"}
    assignment = (await first.get("/assignment/")).json()
    assert assignment == stats["assignment"]
    assert set(assignment["actives"]["in"]) == first.owned()
    assert set(assignment["standbys"]["app-last-changelog"]) == set(range(PARTITIONS)) - first.owned()
    index = (await first.get("/")).json()
    assert (index["status"], index["tasks"]) == ("OK", stats["tasks"])
    assert (await second.get("/stats/")).status_code == 200
    assert (await second.get("/router/")).status_code == 404


async def test_an_application_that_does_not_run_has_pages_and_knows_nobody():
    app = App("idle", broker="memory://", web_stats_enabled=True)
    table = app.Table("t")

    @app.page("/t/{key}")
    @app.table_route(table, match_info="key")
    async def show(self, request, key):
        return self.text("never")

    app.conf = app.conf.with_options(query_timeout=0.1)
    transport = httpx.ASGITransport(app=app.asgi(), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://worker") as client:
        assert (await client.get("/router/")).json() == (await client.get("/router/topics")).json() == {}
        assert (await client.get("/stats")).json()["started"] is False
        assert (await client.get("/assignment/")).json() == {"actives": {}, "standbys": {}}
        for path in ("/router/t/k", "/t/k"):
            response = await client.get(path)
            assert (response.status_code, response.json()["error"]) == (503, "not_running"), path
    with pytest.raises(KeyError):
        app.router.key_store("t", "k")
    with pytest.raises(QueryError, match="no table 'x'"):
        app.router.table_metadata("x")


async def test_a_service_may_serve_instead_of_the_built_in_server(cluster):
    served: list[str] = []
    app = App("own", broker=cluster.broker.url, web_enabled=True, web_port=0)

    @app.web_server
    class Mine:
        async def start(self):
            served.append("started")

        async def stop(self):
            served.append("stopped")

    @app.task
    async def one():
        pass

    async with app:
        assert app.url is None
        async with asyncio.timeout(10):
            while not served:  # noqa: ASYNC110  it is started behind the scenes
                await asyncio.sleep(0.01)
    assert served == ["started", "stopped"]
    with pytest.raises(ConfigError, match="no async method start"):
        app.web_server(object())


# -- whatever is asked


@pytest.mark.timeout(60)
async def test_nothing_that_is_sent_makes_a_worker_fail(two, caplog):
    """Odd paths, parameters and headers, to every page there is: an answer in JSON, and none with a bug."""
    first, _ = two
    paths = [
        "/",
        "/last/",
        "/query",
        "/router/",
        "/router/topics",
        "/router/last",
        "/table/last",
        "/topic",
        "/exact",
        "/x",
    ]
    ends = [
        "",
        "/",
        "//",
        "/%00",
        "/%ff",
        "/%2e%2e/",
        "/..",
        "/k1?key=",
        "?key=k1&key=",
        "?key=%ff",
        "/a/b/c",
        "/{x}",
        "/" + "é" * 50,
    ]
    methods = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "SEARCH", "PATCH"]
    odd = [
        {},
        {"content-type": "\xff"},
        {ROUTED: "1"},
        {"cookie": "\xff="},
        {"content-length": "0"},
        {"origin": "null"},
    ]
    async with first.client(timeout=30) as client:
        for n, (path, end) in enumerate((p, e) for p in paths for e in ends):
            method, headers = methods[n % len(methods)], odd[n % len(odd)]
            raw = {name: value.encode("latin-1") for name, value in headers.items()}
            with contextlib.suppress(httpx.InvalidURL):
                response = await client.request(method, path + end, headers=raw)
                assert response.status_code < 600
                assert response.status_code != 500, (method, path + end, response.text)
                if response.status_code >= 400 and method != "HEAD":
                    assert {"error", "reason"} <= response.json().keys(), (method, path + end)
    assert "Traceback" not in caplog.text
