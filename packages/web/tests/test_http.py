"""The pages: what they answer, and what they refuse."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import httpx
import pytest

from faust_core.errors import AnswerTooLarge, QueryUnavailable
from faust_core.protocols.queries import JsonAnswer, PartitionAnswer, TableInfo, TableQuery, WorkerState
from faust_core.protocols.web import WebContext
from faust_web import make_application
from faust_web.application import own_hosts
from faust_web.guard import PEER_PATH
from faust_web.wire import write_query
from tests.services.patience import PATIENCE


@pytest.fixture
async def worker(cluster):
    """A worker with a = 1, b = 2, a/b = 3, `c/` = 4 in its table."""
    worker = await cluster.start("w1")
    for n, key in enumerate(["a", "b", "a/b", "c/", "ü €"], start=1):
        cluster.put(key, n)
    await cluster.processed()
    return worker


async def test_a_key_may_hold_anything(worker):
    for path, value in {
        "/table/last/a": 1,
        "/table/last/a/": 1,
        "/table/last/a%2Fb": 3,
        "/table/last/a/b": 3,
        "/table/last/c%2F": 4,
        "/table/last/%C3%BC%20%E2%82%AC": 5,
    }.items():
        response = await worker.get(path)
        assert (response.status_code, response.content) == (200, str(value).encode()), path
        assert response.headers["content-type"] == "application/json"
        assert response.headers["cache-control"] == "no-store"


async def test_dots_in_a_key_lead_nowhere(worker):
    for path in ("/table/last/..%2f..%2fetc%2fpasswd", "/table/..%2f..%2fetc/passwd", "/table/%2e%2e/x"):
        response = await worker.get(path)
        assert response.status_code == 404
        assert response.json()["error"] in {"no_such_key", "no_such_table"}


async def test_tables_are_listed(worker):
    assert (await worker.get("/table/")).json() == (await worker.get("/table")).json()
    assert (await worker.get("/table/")).json()[1] == {
        "table": "last",
        "kind": "table",
        "help": "the last number",
        "partitions": 6,
        "global": False,
    }


async def test_many_keys_by_query_string_and_by_body(worker):
    expected = {
        "table": "last",
        "items": [{"key": "a", "value": 1}, {"key": "c/", "value": 4}],
        "missing": ["x"],
        "source": "owner",
        "lag": 0,
    }
    assert (await worker.get("/table/last?key=a&key=c/&key=x")).json() == expected
    async with worker.client() as client:
        assert (await client.post("/table/last", json={"keys": ["a", "c/", "x"]})).json() == expected


async def test_items_come_in_pages(worker):
    seen: dict[str, int] = {}
    cursor: str | None = ""
    while cursor is not None:
        page = (await worker.get("/table/last", params={"limit": 2, **({"cursor": cursor} if cursor else {})})).json()
        assert len(page["items"]) <= 2
        seen |= {item["key"]: item["value"] for item in page["items"]}
        cursor = page["cursor"]
    assert seen == {"a": 1, "b": 2, "a/b": 3, "c/": 4, "ü €": 5}
    page = (await worker.get("/table/last?prefix=a")).json()
    assert {item["key"] for item in page["items"]} == {"a", "a/b"}
    page = (await worker.get("/table/last?start=a/&end=b")).json()
    assert {item["key"] for item in page["items"]} == {"a/b"}


@pytest.mark.parametrize(
    ("path", "status", "error"),
    [
        ("/nothing", 404, "not_found"),
        ("/tables/last/a", 404, "not_found"),
        ("/table/nothing/a", 404, "no_such_table"),
        ("/table/nothing", 404, "no_such_table"),
        (f"/table/{'x' * 300}/a", 404, "no_such_table"),
        ("/table/last/nobody", 404, "no_such_key"),
        (f"/table/last/{'x' * 20_000}", 414, "too_large"),
        ("/table/last/a?json=1", 400, "bad_key"),
        ("/table/last/5?json=1", 400, "bad_key"),
        ("/table/last/a?stale=perhaps", 400, "bad_parameter"),
        ("/table/last/a?partition=6", 400, "bad_partition"),
        ("/table/last/a?partition=-1", 400, "bad_parameter"),
        ("/table/last/a?timeout=0", 400, "bad_parameter"),
        ("/table/last/a?timeout=nan", 400, "bad_parameter"),
        ("/table/last/a?timeout=1e9", 400, "bad_parameter"),
        ("/table/last/a?colour=red", 400, "bad_parameter"),
        ("/table/last/a?stale=1&stale=0", 400, "bad_parameter"),
        ("/table/last/a?at=0", 400, "not_windowed"),
        ("/table/hours/a?at=tomorrow", 400, "bad_time"),
        ("/table/hours/a?at=1e999", 400, "bad_time"),
        ("/table/hours/a?at=-5e9", 404, "no_such_key"),
        ("/table/hours/a?from=0", 400, "bad_time"),
        ("/table/hours/a?from=0&to=1e12", 400, "too_many_windows"),
        ("/table/hours?prefix=a", 400, "windowed"),
        ("/table/seen", 400, "sets"),
        ("/table/last?limit=0", 400, "bad_limit"),
        ("/table/last?limit=100000", 400, "bad_limit"),
        ("/table/last?limit=ten", 400, "bad_parameter"),
        ("/table/last?cursor=here", 400, "bad_cursor"),
        ("/table/last?cursor=OTk6", 400, "bad_cursor"),
        ("/table/last?key=a&limit=3", 400, "bad_parameter"),
    ],
)
async def test_what_is_wrong_is_refused_with_a_reason(worker, path, status, error):
    response = await worker.get(path)
    assert (response.status_code, response.json()["error"]) == (status, error)
    assert len(response.json()["reason"]) > 10


async def test_wrong_methods_and_bodies_are_refused(worker):
    async with worker.client() as client:
        response = await client.put("/table/last", json={})
        assert (response.status_code, response.json()["error"]) == (405, "wrong_method")
        assert response.json()["reason"] == "this page takes GET, HEAD, POST only"
        assert (await client.delete("/table/last/a")).status_code == 405
        assert (await client.get(PEER_PATH)).status_code == 405
        for body in (b"", b"{", b"[]", b'{"keys": 1}', b'{"keys": [], "more": 1}', b"[" * 100_000, b"\xff"):
            response = await client.post("/table/last", content=body)
            assert (response.status_code, response.json()["error"]) == (400, "bad_body"), body
        response = await client.post("/table/last", json={"keys": [{"a": 1}]})
        assert (response.status_code, response.json()["error"]) == (400, "bad_key")
        response = await client.post("/table/last", json={"keys": [f"k{n}" for n in range(10_001)]})
        assert (response.status_code, response.json()["error"]) == (400, "too_many_keys")
        response = await client.post("/table/last", content=b"x" * (4 * 1024 * 1024 + 1))
        assert (response.status_code, response.json()["error"]) == (413, "too_large")

        async def without_length():
            for _ in range(5):
                yield b"x" * 1024 * 1024

        response = await client.post("/table/last", content=without_length())
        assert (response.status_code, response.json()["error"]) == (413, "too_large")


async def test_what_another_worker_might_get_wrong_is_refused(worker):
    async with worker.client() as client:
        for body in (
            b"",
            b"{}",
            b'{"v": 2}',
            b'{"v": 1, "app": 1}',
            b'{"v":1,"app":"app","table":"last","parts":[{"partition":0,"keys":["*"]}],"max_bytes":1}',
            b'{"v":1,"app":"app","table":"last","max_bytes":1,"parts":[{"partition":0,"keys":[],"scan":{"limit":10000000}}]}',
            b'{"v":1,"app":"app","table":"last","max_bytes":1,"parts":[{"partition":true,"keys":[]}]}',
        ):
            response = await client.post(PEER_PATH, content=body)
            assert (response.status_code, response.json()["error"]) == (400, "bad_question"), body
        unknown = write_query(TableQuery("app", "nothing", ()))
        assert (await client.post(PEER_PATH, content=unknown)).json()["parts"] == []


class Application:
    """An application as HTTP sees it, which answers when it is told to."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.error: Exception | None = None
        self.running = 0
        self.healthy = True

    def state(self) -> WorkerState:
        return WorkerState("app", healthy=self.healthy, ready=self.go.is_set(), reason="not told to go")

    def tables(self) -> Sequence[TableInfo]:
        return []

    async def get_many(self, *_: Any, **__: Any) -> JsonAnswer:
        self.running += 1
        try:
            await self.go.wait()
        finally:
            self.running -= 1
        if self.error is not None:
            raise self.error
        return JsonAnswer(missing=(b'"a"',))

    windows = page = get_many

    async def answer(self, query: TableQuery) -> Sequence[PartitionAnswer]:
        await self.get_many()
        return []


def client_of(application: Application, **context: Any) -> httpx.AsyncClient:
    settings = WebContext(**context)
    asgi = make_application(application, settings, hosts=own_hosts(settings))
    transport = httpx.ASGITransport(app=asgi, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1")


async def test_health_and_readiness_are_told_apart():
    application = Application()
    async with client_of(application) as client:
        assert (await client.get("/health")).json() == {"status": "OK"}
        response = await client.get("/ready")
        assert (response.status_code, response.json()) == (503, {"status": "not ready", "reason": "not told to go"})
        application.go.set()
        assert (await client.get("/ready")).status_code == 200
        application.healthy = False
        assert (await client.get("/health")).status_code == 503


async def test_a_token_opens_everything_but_health_and_readiness():
    application = Application()
    application.go.set()
    async with client_of(application, token="s3cret") as client:
        assert (await client.get("/health")).status_code == 200
        assert (await client.get("/ready")).status_code == 200
        for headers in (
            {},
            {"authorization": "Bearer wrong"},
            {"authorization": "Bearer s3cre"},
            {"authorization": "Bearer s3cret2"},
            {"authorization": "Basic s3cret"},
            {"authorization": "s3cret"},
            {"authorization": "Bearer s3cret\xff".encode("latin-1")},
        ):
            for path in ("/table", "/table/t/a", "/nothing", "/health/", "/ready/..", "//health"):
                response = await client.get(path, headers=headers)
                assert (response.status_code, response.json()["error"]) == (401, "no_token"), (headers, path)
                assert response.headers["www-authenticate"].startswith("Bearer")
            assert (await client.post(PEER_PATH, headers=headers)).status_code == 401
        for shown in ("Bearer s3cret", "bearer s3cret", "Bearer  s3cret "):
            assert (await client.get("/table", headers={"authorization": shown})).status_code == 200


async def test_a_page_in_a_browser_cannot_borrow_the_address_of_this_machine():
    application = Application()
    async with client_of(application) as client:
        response = await client.get("/table", headers={"host": "evil.example:6066"})
        assert (response.status_code, response.json()["error"]) == (421, "wrong_host")
        for host in ("localhost:6066", "127.0.0.1", "[::1]:6066", "LOCALHOST"):
            assert (await client.get("/table", headers={"host": host})).status_code == 200
    async with client_of(application, bind="0.0.0.0") as client:
        assert (await client.get("/table", headers={"host": "worker-1"})).status_code == 200


async def test_tables_can_be_kept_from_the_outside():
    application = Application()
    application.go.set()
    async with client_of(application, tables=False) as client:
        assert (await client.get("/table/t/a")).status_code == 404
        question = write_query(TableQuery("app", "t", ()))
        assert (await client.post(PEER_PATH, content=question)).status_code == 200


async def test_requests_beyond_the_limit_are_refused_at_once_and_workers_are_counted_apart():
    application = Application()
    async with client_of(application, max_requests=2) as client:
        waiting = [asyncio.create_task(client.get("/table/t/a")) for _ in range(2)]
        while application.running < 2:  # noqa: ASYNC110  they are on their way
            await asyncio.sleep(0.001)
        response = await client.get("/table/t/a")
        assert (response.status_code, response.json()["error"]) == (503, "busy")
        assert (await client.get("/health")).status_code == 200
        peer = asyncio.create_task(client.post(PEER_PATH, content=write_query(TableQuery("app", "t", ()))))
        while application.running < 3:  # noqa: ASYNC110  as above
            await asyncio.sleep(0.001)
        application.go.set()
        assert [(await task).status_code for task in waiting] == [404, 404]
        assert (await peer).status_code == 200
        assert (await client.get("/table/t/a")).status_code == 404


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (QueryUnavailable("nobody", code="restoring"), 503, "restoring"),
        (AnswerTooLarge("more than that"), 413, "too_large"),
        (TimeoutError(), 503, "timeout"),
        (RuntimeError("/etc/secret is broken"), 500, "failed"),
    ],
)
async def test_each_failure_has_its_status_and_a_bug_tells_nothing_of_the_inside(error, status, code):
    application = Application()
    application.go.set()
    application.error = error
    async with client_of(application) as client:
        response = await client.get("/table/t/a")
        assert (response.status_code, response.json()["error"]) == (status, code)
        assert "secret" not in response.text
        assert ("retry-after" in response.headers) == (status == 503)


async def test_a_client_that_goes_away_leaves_nothing_behind(cluster, eventually):
    worker = await cluster.start("w1")
    cluster.put("a", 1)
    await cluster.processed()
    assert (await worker.get("/table/last/a")).status_code == 200
    (guard,) = [worker.app.worker._web._server._application]
    tasks = len(asyncio.all_tasks())
    task = worker.app.worker.rebalancer.tasks
    task_id = worker.app.worker.topics.task_of("last", cluster.partition("a"))
    taken = task.pop(task_id)  # nobody can answer for a while
    for _ in range(20):
        _, writer = await asyncio.open_connection("127.0.0.1", int(worker.url.rpartition(":")[2]))
        writer.write(b"GET /table/last/a?timeout=30 HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await writer.drain()
        writer.close()
        await writer.wait_closed()
    await eventually(lambda: guard._now == {True: 0, False: 0} and len(asyncio.all_tasks()) <= tasks)
    task[task_id] = taken
    assert (await worker.get("/table/last/a")).json() == 1


async def test_typed_keys_are_read_from_the_path(cluster):
    from faust_core import App

    cluster.broker.create_topic("numbers", 2)
    app = App("typed", broker=cluster.broker.url, web_enabled=True, web_port=0, topic_partitions=2)
    numbers = app.Table("numbers", key_type=int, value_type=str)
    pairs = app.Table("pairs")
    raw = app.Table("raw", key_type=bytes, key_serializer="raw", value_type=bytes, value_serializer="raw")

    @app.agent("numbers", name="keep")
    async def keep(stream):
        async for n in stream:
            numbers[n] = f"number {n}"
            pairs[n, "x"] = [n]
            raw[b"r%d" % n] = b"text" if n == 5 else b"\xff\x00"

    async with app:
        for n in (5, 6):
            cluster.broker.append("numbers", str(n).encode(), None, n % 2)
        async with asyncio.timeout(15):
            while len(raw) < 2:  # noqa: ASYNC110  the agent moves on
                await asyncio.sleep(0.01)
        async with httpx.AsyncClient(
            base_url=app.worker.member.endpoint, trust_env=False, timeout=10 * PATIENCE
        ) as client:
            assert (await client.get("/table/numbers/5")).json() == "number 5"
            assert (await client.get("/table/numbers/7")).status_code == 404
            for wrong in ("five", "5.5", "%22%22", "null", "[5]"):
                response = await client.get(f"/table/numbers/{wrong}")
                assert (response.status_code, response.json()["error"]) == (400, "bad_key"), wrong
                assert "a key of type int" in response.json()["reason"]
            assert (await client.get('/table/pairs/[5,"x"]?json=1')).json() == [5]
            assert (await client.get("/table/pairs/5")).status_code == 404
            assert (await client.post("/table/pairs", json={"keys": [[6, "x"]]})).json()["items"] == [
                {"key": [6, "x"], "value": [6]}
            ]
            assert (await client.get("/table/raw/r5")).json() == "text"
            assert (await client.get("/table/raw/r6")).json() == {"base64": "/wA="}
            page = (await client.get("/table/numbers?start=5&end=6")).json()
            assert page["items"] == [{"key": 5, "value": "number 5"}]
            assert json.loads((await client.get("/table/raw?prefix=r")).content)["items"]
