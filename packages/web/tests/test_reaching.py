"""How workers and browsers get there: TLS between workers, sockets with a path, scripts of other origins."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import stat
from pathlib import Path
from typing import Any

import httpx
import pytest

from faust_core import App
from faust_core.errors import ConfigError, PeerUnreachable
from faust_core.protocols.queries import PartitionQuery, TableQuery
from faust_core.protocols.web import WebContext
from faust_web import ResourceOptions
from faust_web.peers import HttpPeers
from faust_web.server import Server
from tests.services.certificates import Authority

from .test_routes import owner, with_pages

QUESTION = TableQuery("app", "t", (PartitionQuery(0, (b"a",)),))


# -- TLS


def serving(authority: Authority, name: str, *hosts: str) -> ssl.SSLContext:
    certificate, key = authority.issue(name, *hosts)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


async def test_workers_ask_each_other_over_tls_and_check_the_certificate(cluster, tmp_path):
    authority = Authority(tmp_path, "authority")
    tls = serving(authority, "worker", "127.0.0.1")
    cluster.prepare = with_pages
    two = await cluster.start_two(web_ssl_context=tls, web_ca_file=str(authority.file))
    for n in range(12):
        cluster.put(f"k{n}", n)
    await cluster.processed()
    first, _ = two
    assert first.url.startswith("https://127.0.0.1:")
    assert await first.last.query_many(list(cluster.sent)) == cluster.sent
    async with first.client(verify=ssl.create_default_context(cafile=str(authority.file))) as client:
        for n in range(12):
            response = await client.get(f"/last/k{n}")
            assert (response.json(), response.headers["x-worker"]) == (n, owner(two, f"k{n}"))
    for context, reason in (
        (WebContext(), "certificate"),
        (WebContext(ca_file=str(Authority(tmp_path, "stranger").file)), "certificate"),
    ):
        peers = HttpPeers(context)
        with pytest.raises(PeerUnreachable, match=reason):
            await peers.ask(first.url, QUESTION, timeout_s=5)
        await peers.aclose()


async def test_a_certificate_for_another_host_is_refused(tmp_path):
    authority = Authority(tmp_path, "authority")
    server = Server(App("x").served, WebContext(port=0, ssl_context=serving(authority, "other", "other.example")))
    url = await server.bind()
    running = asyncio.create_task(server.run())
    peers = HttpPeers(WebContext(ca_file=str(authority.file)))
    with pytest.raises(PeerUnreachable, match=r"(?i)match|valid for"):
        await peers.ask(url, QUESTION, timeout_s=5)
    await peers.aclose()
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running


def test_a_file_without_certificates_is_refused(tmp_path):
    (tmp_path / "empty.pem").write_text("nothing")
    for path in (tmp_path / "nothing.pem", tmp_path / "empty.pem"):
        with pytest.raises(ConfigError, match=r"web_ca_file .*no certificates can be read"):
            HttpPeers(WebContext(ca_file=str(path)))


# -- a socket with a path


async def test_it_can_be_served_at_a_path(cluster, tmp_path):
    path = tmp_path / "web.sock"
    worker = await cluster.start("w1", web_transport=f"unix://{path}")
    cluster.put("a", 1)
    await cluster.processed()
    assert worker.app.url is None
    assert stat.S_IMODE(path.stat().st_mode) == 0o660
    transport = httpx.AsyncHTTPTransport(uds=str(path))
    async with httpx.AsyncClient(transport=transport, base_url="http://shop.example", trust_env=False) as client:
        assert (await client.get("/table/last/a")).json() == 1
        assert (await client.get("/ready")).status_code == 200
    with pytest.raises(ConfigError, match="another process listens there"):
        await App("x", broker="memory://", web_enabled=True, web_transport=f"unix://{path}").start()
    assert path.exists()
    await cluster.stop(worker)
    assert not path.exists()


async def test_the_path_of_a_worker_that_was_killed_is_taken_over_and_nothing_else(tmp_path):
    path = tmp_path / "web.sock"
    dead = socket.socket(socket.AF_UNIX)
    dead.bind(str(path))
    dead.close()
    server = Server(App("x").served, WebContext(unix_path=str(path), canonical_url="https://shop.example"))
    assert await server.bind() == "https://shop.example"
    await server.aclose()
    assert not path.exists()
    path.write_text("a file")
    for wrong, reason in (
        (path, "no socket"),
        (tmp_path / "no" / "folder", "No such file"),
        (Path("/" + "x" * 200), ""),
    ):
        with pytest.raises(ConfigError, match=f"HTTP cannot be served there: .*{reason}"):
            await Server(App("x").served, WebContext(unix_path=str(wrong))).bind()
    assert path.read_text() == "a file"
    for value in ("unix://web.sock", "unix:", "tcp://host", "/web.sock"):
        with pytest.raises(ConfigError, match=r"tcp://, or unix:///path/to/socket"):
            App("x", web_transport=value)


# -- scripts of other origins


def client_of(app: App, **options: Any) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app=app.asgi(), raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://worker", **options)


def asking(method: str, origin: str, *headers: str) -> dict[str, str]:
    asked = {"Origin": origin, "Access-Control-Request-Method": method}
    return {**asked, "Access-Control-Request-Headers": ", ".join(headers)} if headers else asked


async def test_only_scripts_of_named_origins_may_read_pages():
    app = App(
        "cors",
        broker="memory://",
        web_token="s3cret",
        web_cors_options={
            "https://shop.example": ResourceOptions(
                allow_credentials=True, expose_headers=["X-A"], allow_headers=["X-B"], max_age=5, allow_methods=["GET"]
            ),
            "*": {"expose_headers": "*", "allow_headers": "*"},
        },
    )

    @app.page("/a")
    async def show(self, request):
        return self.json(1)

    @app.page("/own", cors_options={"https://own.example": {"allow_methods": "*"}})
    async def own(self, request):
        return self.json(2)

    shown = {"Authorization": "Bearer s3cret"}
    async with client_of(app) as client:
        plain = await client.get("/a", headers=shown)
        assert not [name for name in plain.headers if name.startswith("access-control")]
        shop = await client.get("/a", headers={**shown, "Origin": "https://shop.example"})
        assert shop.headers["access-control-allow-origin"] == "https://shop.example"
        assert shop.headers["access-control-allow-credentials"] == "true"
        assert shop.headers["access-control-expose-headers"] == "X-A"
        other = await client.get("/a", headers={**shown, "Origin": "https://other.example"})
        assert other.headers["access-control-allow-origin"] == "*"
        assert "access-control-allow-credentials" not in other.headers
        # Browsers ask first, without credentials, and must be able to read refusals.
        first = await client.options("/a", headers=asking("GET", "https://shop.example", "X-B"))
        assert first.status_code == 200
        assert (first.headers["access-control-max-age"], first.headers["access-control-allow-methods"]) == ("5", "GET")
        refused = await client.get("/a", headers={"Origin": "https://shop.example"})
        assert refused.status_code == 401
        assert refused.headers["access-control-allow-origin"] == "https://shop.example"
        for headers in (asking("POST", "https://shop.example"), asking("GET", "https://shop.example", "X-C")):
            response = await client.options("/a", headers=headers)
            assert (response.status_code, response.json()["error"]) == (400, "cors")
        # A page with options of its own goes by nothing else.
        mine = await client.get("/own", headers={**shown, "Origin": "https://own.example"})
        assert mine.headers["access-control-allow-origin"] == "https://own.example"
        shop = await client.get("/own", headers={**shown, "Origin": "https://shop.example"})
        assert "access-control-allow-origin" not in shop.headers
        assert (await client.options("/own", headers=asking("DELETE", "https://own.example"))).status_code == 200


async def test_without_options_no_script_of_another_origin_may_read_anything():
    app = App("cors", broker="memory://")

    @app.page("/a")
    async def show(self, request):
        return self.json(1)

    async with client_of(app) as client:
        response = await client.get("/a", headers={"Origin": "https://shop.example"})
        assert not [name for name in response.headers if name.startswith("access-control")]
        assert (await client.options("/a", headers=asking("GET", "https://shop.example"))).status_code == 405
    with pytest.raises(ConfigError, match="declare it before HTTP is served"):
        app.page("/b", cors_options={"*": {}})(show)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"shop.example": {}}, "'shop.example' is no origin"),
        ({"https://shop.example/": {}}, "is no origin"),
        ({"*": 5}, "neither a dict nor"),
        ({"*": {"allow_origin": 1}}, "no option 'allow_origin'"),
        ({"*": {"max_age": "1h"}}, "max_age='1h' is no number"),
        ({"*": {"max_age": -1}}, "is no number of seconds"),
        ({"*": {"allow_methods": "GET"}}, "give a list of names"),
        ({"*": {"allow_headers": [1]}}, "give a list of names"),
        ({"*": {"allow_credentials": "yes"}}, "True or False"),
    ],
)
def test_options_that_are_wrong_are_named_at_the_start(options, message):
    with pytest.raises(ConfigError, match=message):
        App("cors", broker="memory://", web_cors_options=options).asgi()
