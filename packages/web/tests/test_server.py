"""Listening, and asking: ports, addresses, TLS, workers that say nothing or something else."""

from __future__ import annotations

import asyncio
import socket
import time
from contextlib import asynccontextmanager

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from faust_core import App
from faust_core.errors import AnswerTooLarge, ConfigError, PeerUnreachable, QueryError
from faust_core.protocols.queries import PartitionAnswer, PartitionQuery, Scan, TableQuery
from faust_core.protocols.web import WebContext
from faust_web.peers import HttpPeers
from faust_web.server import Server
from faust_web.wire import read_answers, read_query, write_answers, write_query
from tests.services.patience import PATIENCE

QUESTION = TableQuery("app", "t", (PartitionQuery(0, (b"a",)),))


def make_server(**context) -> Server:
    return Server(App("x").served, WebContext(**context))


async def test_a_port_that_is_taken_is_replaced_by_a_free_one_unless_it_was_asked_for():
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        server = make_server(port=port)
        url = await server.bind()
        assert url.startswith("http://127.0.0.1:")
        assert url != f"http://127.0.0.1:{port}"
        await server.aclose()
        with pytest.raises(ConfigError, match=rf"127\.0\.0\.1:{port}: .*in use.*web_port"):
            await make_server(port=port, any_port=False).bind()
        with pytest.raises(ConfigError, match=r"203\.0\.113\.1"):
            await make_server(bind="203.0.113.1", any_port=False, port=0).bind()


async def test_the_address_for_others_follows_from_the_settings(caplog):
    for context, expected in (
        ({}, "http://127.0.0.1:{port}"),
        ({"bind": "::1"}, "http://[::1]:{port}"),
        ({"host": "worker-1"}, "http://worker-1:{port}"),
        ({"bind": "0.0.0.0", "token": "t"}, f"http://{socket.gethostname()}:{{port}}"),
        ({"canonical_url": "https://faust.example/w1"}, "https://faust.example/w1"),
    ):
        server = make_server(port=0, **context)
        url = await server.bind()
        port = server._socket.getsockname()[1]
        await server.aclose()
        assert url == expected.format(port=port)
    assert not caplog.records
    server = make_server(bind="0.0.0.0", port=0)
    await server.bind()
    await server.aclose()
    assert "open to all who reach it: set web_token" in caplog.text


async def test_small_answers_are_sent_at_once():
    """asyncio turns Nagle's algorithm off only where a socket says its protocol."""
    server = make_server(port=0)
    await server.bind()
    assert server._socket.proto == socket.IPPROTO_TCP
    await server.aclose()


async def test_it_is_served_while_the_worker_runs_and_not_after(cluster):
    worker = await cluster.start("w1")
    url = worker.url
    tasks = asyncio.all_tasks()
    async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=10 * PATIENCE) as client:
        assert (await client.get("/ready")).status_code == 200
        started = time.monotonic()
        await cluster.stop(worker)
        assert time.monotonic() - started < 2 * PATIENCE
        with pytest.raises(httpx.ConnectError):
            await client.get("/health")
    assert asyncio.all_tasks() < tasks


async def test_it_is_alive_but_not_ready_while_the_broker_is_away(cluster):
    cluster.broker.faults.cut("w1")
    starting = asyncio.create_task(cluster.start("w1", broker_start_timeout=10))
    while not cluster.workers or cluster.workers[0].app.worker is None:  # noqa: ASYNC110  it starts
        await asyncio.sleep(0.001)
    worker = cluster.workers[0]
    while worker.app.worker.member.endpoint is None:  # noqa: ASYNC110  as above
        await asyncio.sleep(0.001)
    assert (await worker.get("/health")).status_code == 200
    assert (await worker.get("/ready")).json() == {"status": "not ready", "reason": "it is starting, or stopping"}
    response = await worker.get("/table/last/a?timeout=0.05")
    assert response.status_code == 503
    cluster.broker.faults.heal("w1")
    await starting
    assert (await worker.get("/ready")).status_code == 200


async def test_an_embedded_application_serves_only_when_told(cluster):
    for told, served in ((None, False), (False, False), (True, True)):
        options = {} if told is None else {"web_enabled": told}
        app = App("quiet", broker=cluster.broker.url, web_port=0, **options)
        async with app:
            assert (app.worker.member.endpoint is not None) == served


async def test_the_web_server_is_announced_where_one_is_served(cluster):
    calls = []

    class Mine(App):
        def on_webserver_init(self, web):
            calls.append((self.started, web.app is self))

    for serve in (False, True):
        await (app := Mine("announced", broker=cluster.broker.url, web_port=0)).start(serve=serve)
        await app.stop()
    assert calls == [(False, True)]


async def test_a_request_under_way_is_answered_when_the_worker_stops(cluster):
    worker = await cluster.start("w1")
    cluster.put("a", 1)
    await cluster.processed()
    results = []

    async def ask():
        async with worker.client() as client:
            while True:
                try:
                    response = await client.get("/table/last/a")
                except httpx.TransportError:
                    return
                results.append(response.status_code)

    asking = [asyncio.create_task(ask()) for _ in range(3)]
    async with asyncio.timeout(15):
        while results.count(200) <= 3:  # noqa: ASYNC110  the results are a plain list
            await asyncio.sleep(0.01)
    await cluster.stop(worker)
    await asyncio.gather(*asking)
    assert set(results) <= {200, 503}
    assert results.count(200) > 3


async def test_workers_with_a_token_ask_each_other(cluster):
    first, second = await cluster.start_two(web_token="s3cret")
    for n in range(12):
        cluster.put(f"k{n}", n)
    await cluster.processed()
    assert await first.last.query_many(list(cluster.sent)) == cluster.sent
    assert (await second.get("/table/last/k1")).status_code == 401
    assert (await second.get("/table/last/k1", headers={"Authorization": "Bearer s3cret"})).json() == 1


async def test_a_token_that_is_not_the_same_is_named(cluster):
    worker = await cluster.start("w1", web_token="one")
    peers = HttpPeers(WebContext(token="two"))
    with pytest.raises(PeerUnreachable, match="web_token must be the same"):
        await peers.ask(worker.url, QUESTION, timeout_s=2)
    await peers.aclose()


async def test_it_can_be_mounted_in_another_application(cluster, eventually):
    ports = [free_port() for _ in range(2)]
    apps, outers = [], []
    for n, port in enumerate(ports):
        app = App(
            "mounted",
            broker=cluster.broker.url,
            broker_client_id=f"m{n}",
            canonical_url=f"http://127.0.0.1:{port}/faust",
            broker_commit_interval=0.05,
            topic_partitions=2,
        )
        table = app.Table("t", key_type=str)

        @app.agent("in2", name="keep")
        async def keep(stream, table=table):
            async for key, n in stream:
                table[key] = n

        @asynccontextmanager
        async def lifespan(_outer, app=app):
            async with app:
                yield

        apps.append((app, table))
        outers.append((Starlette(routes=[Mount("/faust", app=app.asgi())], lifespan=lifespan), port))
    async with serving(*outers[0]), serving(*outers[1]):
        owners = [app.worker.rebalancer for app, _ in apps]
        await eventually(lambda: sorted(len(r.running()) for r in owners) == [1, 1])
        for p in range(2):
            cluster.broker.append("in2", b'["p%d", %d]' % (p, p), None, p)
        for _, table in apps:
            while await table.query_many(["p0", "p1"]) != {"p0": 0, "p1": 1}:  # noqa: ASYNC110  agents move on
                await asyncio.sleep(0.01)
        async with httpx.AsyncClient(trust_env=False, timeout=10 * PATIENCE) as client:
            for port in ports:
                assert (await client.get(f"http://127.0.0.1:{port}/faust/table/t/p1")).json() == 1
                assert (await client.get(f"http://127.0.0.1:{port}/faust/table/t/p1/")).json() == 1
                url = f"http://127.0.0.1:{port}/faust/ready"
                assert (await client.get(url, headers={"host": "shop.example"})).status_code == 200


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@asynccontextmanager
async def serving(app, port):
    import uvicorn

    server = uvicorn.Server(uvicorn.Config(app, port=port, log_config=None, log_level="warning", ws="none"))
    task = asyncio.create_task(server._serve())
    while not server.started:  # noqa: ASYNC110  no event tells
        await asyncio.sleep(0.005)
    try:
        yield
    finally:
        server.should_exit = True
        await task


# -- asking


def test_questions_and_answers_survive_the_way():
    scan = Scan({"prefix": b'"a', "end": b"\xff\x00"}, b"\x00after", 17)
    query = TableQuery(
        "ä", "t", (PartitionQuery(3, (b"", b"\xff")), PartitionQuery(4, scan=scan)), True, True, max_bytes=5
    )
    assert read_query(write_query(query)) == query
    answers = [
        PartitionAnswer(1, values=(b"", None, b"\xff"), owner=False, lag=None),
        PartitionAnswer(2, "restoring", "it is"),
        PartitionAnswer(3, rows=((b"k", b"v"),), after=b"k", lag=7),
    ]
    assert read_answers(write_answers(answers)) == answers


@asynccontextmanager
async def listening(answer):
    """A server that answers each request as it is told, and counts its connections."""
    opened = []

    async def handle(reader, writer):
        opened.append(writer)
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                if not await answer(reader, writer):
                    break
        except asyncio.IncompleteReadError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", opened
    finally:
        server.close()
        for writer in opened:
            writer.close()
        await asyncio.sleep(0)


def says(body, status=200):
    async def answer(reader, writer):
        await reader.readexactly(len(write_query(QUESTION)))
        writer.write(b"HTTP/1.1 %d x\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body), body))
        await writer.drain()
        return True

    return answer


@pytest.mark.parametrize(
    ("answer", "error", "message"),
    [
        (says(b"<html>"), PeerUnreachable, "cannot be read"),
        (says(b'{"v": 7}'), PeerUnreachable, "version 7"),
        (says(b'{"v": 1, "parts": [{}]}'), PeerUnreachable, "KeyError"),
        (says(b"not found", 404), PeerUnreachable, "status 404, and is no worker"),
        (says(b'{"error": "busy", "reason": "too much"}', 503), PeerUnreachable, "too much"),
        (says(b'{"error": "too_large", "reason": "much"}', 413), AnswerTooLarge, "much"),
        (says(b'{"error": "bad", "reason": "wrong"}', 400), QueryError, "wrong"),
    ],
)
async def test_whatever_a_peer_answers_has_a_name(answer, error, message):
    peers = HttpPeers(WebContext())
    async with listening(answer) as (url, _):
        with pytest.raises(error, match=message):
            await peers.ask(url, QUESTION, timeout_s=5)
    await peers.aclose()


async def test_a_peer_that_says_nothing_costs_the_time_out_and_no_connection(eventually):
    async def nothing(reader, writer):
        await reader.read()  # until the other side goes

    peers = HttpPeers(WebContext())
    async with listening(nothing) as (url, _):
        started = time.monotonic()
        results = await asyncio.gather(
            *(peers.ask(url, QUESTION, timeout_s=0.2) for _ in range(50)), return_exceptions=True
        )
        assert time.monotonic() - started < 2 * PATIENCE
        assert all(isinstance(r, PeerUnreachable) and "no answer in 0.2 s" in str(r) for r in results)
        assert all(not peer.idle and not peer.busy for peer in peers._peers.values())
    await peers.aclose()


async def test_nobody_there_is_told_at_once():
    peers = HttpPeers(WebContext())
    with pytest.raises(PeerUnreachable, match="cannot connect to 127"):
        await peers.ask(f"http://127.0.0.1:{free_port()}", QUESTION, timeout_s=5)
    await peers.aclose()
    with pytest.raises(PeerUnreachable, match="has stopped"):
        await peers.ask("http://127.0.0.1:1", QUESTION, timeout_s=5)


async def test_connections_are_kept_and_replaced_when_the_other_side_has_closed_them():
    good = write_answers([PartitionAnswer(0, values=(None,))])
    left = 3

    async def answer(reader, writer):
        nonlocal left
        left -= 1
        await says(good)(reader, writer)
        return left > 0

    peers = HttpPeers(WebContext())
    async with listening(answer) as (url, opened):
        for _ in range(3):
            assert len(await peers.ask(url, QUESTION, timeout_s=5)) == 1
        assert len(opened) == 1
        await asyncio.sleep(0.05)  # it closes
        left = 10
        assert len(await peers.ask(url, QUESTION, timeout_s=5)) == 1
        assert len(opened) == 2
    await peers.aclose()


async def test_a_question_that_is_cancelled_closes_its_connection(eventually):
    async def nothing(reader, writer):
        await reader.read()  # until the other side goes

    peers = HttpPeers(WebContext())
    async with listening(nothing) as (url, opened):
        asking = asyncio.create_task(peers.ask(url, QUESTION, timeout_s=30))
        await eventually(lambda: opened)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        assert not any(peer.busy or peer.idle for peer in peers._peers.values())
    await peers.aclose()


async def test_peers_that_are_gone_are_forgotten():
    peers = HttpPeers(WebContext())
    for n in range(300):
        peers._peer(f"http://10.0.0.1:{n + 1}")
    assert len(peers._peers) <= 256
    await peers.aclose()
