"""Pages of an application: what they are given, what becomes of what they return or raise."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import logging
import re
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
from starlette.responses import StreamingResponse

import faust_web
from faust_core import App
from faust_core.errors import ConfigError, QueryUnavailable
from faust_models import Record
from faust_web import Blueprint, Request, Response, View, gives_model, takes_model
from faust_web import exceptions as web_exceptions

Client = Callable[..., httpx.AsyncClient]


@pytest.fixture
def app() -> App:
    return App("paged", broker="memory://")


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    """Makes clients of an application that is not served, but called."""
    clients: list[httpx.AsyncClient] = []

    def make(app: App, **options: Any) -> httpx.AsyncClient:
        transport = httpx.ASGITransport(app=app.asgi(), raise_app_exceptions=False)
        clients.append(httpx.AsyncClient(transport=transport, base_url="http://worker", **options))
        return clients[-1]

    yield make
    for each in clients:
        await each.aclose()


async def test_a_function_is_a_page_and_gets_the_parts_of_its_path(app, client):
    @app.page("/users/{name}/{part:[0-9]{2}}/")
    async def show(self, request, name, part):
        assert self.app is app
        return self.json({"name": name, "part": part, "q": request.query.get("q"), "info": dict(request.match_info)})

    assert issubclass(show, View)
    http = client(app)
    response = await http.get("/users/ann%2Fb%20%C3%BC/12/?q=1&q=2")
    assert response.json() == {"name": "ann/b ü", "part": "12", "q": "1", "info": {"name": "ann/b ü", "part": "12"}}
    assert response.headers["content-type"] == "application/json"
    for path in (
        "/users/ann/1/",
        "/users/ann/123/",
        "/users/ann/12",
        "/users//12/",
        "/users/a/b/12/",
        "/users/%ff/12/",
    ):
        response = await http.get(path)
        assert (response.status_code, response.json()["error"]) == (404, "not_found"), path
    response = await http.post("/users/ann/12/")
    assert (response.status_code, response.json()["error"]) == (405, "wrong_method")
    assert response.headers["allow"] == "GET, HEAD"
    response = await http.head("/users/ann/12/")
    assert (response.status_code, response.content) == (200, b"")


async def test_a_class_answers_each_method_by_its_own(app, client):
    @app.page("/things/{thing}")
    class Things(View):
        def __post_init__(self):
            self.made = 1

        async def get(self, request, thing):
            return self.text(f"{thing} {self.made}")

        async def post(self, request, thing):
            return self.json(await request.json(), status=201, headers={"X-Made": thing})

        async def put(self, request, thing):
            return self.bytes(await self.read_request_content(request), content_type="image/png")

        async def patch(self, request, thing):
            return self.html(f"<p>{(await request.post())['a']}</p>")

        async def delete(self, request, thing):
            return self.notfound("it is gone", thing=thing)

        async def search(self, request, thing):
            return self.text(await request.text())

    http = client(app)
    assert (await http.get("/things/a")).text == "a 1"
    posted = await http.post("/things/a", json={"x": [1]})
    assert (posted.status_code, posted.json(), posted.headers["x-made"]) == (201, {"x": [1]}, "a")
    put = await http.put("/things/a", content=b"\x00\xff")
    assert (put.content, put.headers["content-type"]) == (b"\x00\xff", "image/png")
    patched = await http.patch("/things/a", data={"a": "ü&"})
    assert (patched.text, patched.headers["content-type"]) == ("<p>ü&</p>", "text/html; charset=utf-8")
    deleted = await http.delete("/things/b")
    assert (deleted.status_code, deleted.json()) == (404, {"error": "not_found", "reason": "it is gone", "thing": "b"})
    assert (await http.request("SEARCH", "/things/a", content="ü".encode())).text == "ü"
    for method in ("OPTIONS", "TRACE", "BREW"):
        refused = await http.request(method, "/things/a")
        assert (refused.status_code, refused.json()["error"]) == (405, "wrong_method"), method
        assert refused.headers["allow"] == "DELETE, GET, HEAD, PATCH, POST, PUT, SEARCH"


async def test_a_request_tells_what_was_asked(app, client):
    seen: dict[str, Any] = {}

    @app.page("/ask/{what}")
    class Ask(View):
        async def post(self, request: Request, what: str) -> Response:
            seen.update(
                method=request.method,
                path=request.path,
                rel_url=request.rel_url,
                path_qs=request.path_qs,
                host=request.host,
                scheme=request.scheme,
                remote=request.remote,
                cookies=request.cookies,
                content_type=request.content_type,
                charset=request.charset,
                content_length=request.content_length,
                header=request.headers["x-thing"],
                exists=(request.body_exists, request.can_read_body),
                all=request.query.getall("a"),
                none=request.query.getall("b", []),
                query=dict(request.query),
            )
            assert await request.read() == await request.read() == await request.body() == b"{}"
            assert not request.can_read_body
            with pytest.raises(KeyError):
                request.query["b"]
            return Response(text="ok")

    http = client(app)
    headers = {"X-Thing": "1", "Cookie": "c=d", "Content-Type": "application/json; charset=utf-8"}
    assert (await http.post("/ask/me%2F?a=1&a=&e=%20", content=b"{}", headers=headers)).status_code == 200
    assert seen == {
        "method": "POST",
        "path": "/ask/me/",
        "rel_url": "/ask/me%2F?a=1&a=&e=%20",
        "path_qs": "/ask/me%2F?a=1&a=&e=%20",
        "host": "worker",
        "scheme": "http",
        "remote": "127.0.0.1",
        "cookies": {"c": "d"},
        "content_type": "application/json",
        "charset": "utf-8",
        "content_length": 2,
        "header": "1",
        "exists": (True, True),
        "all": ["1", ""],
        "none": [],
        "query": {"a": "1", "e": " "},
    }


async def test_bad_bodies_are_refused_with_a_reason(app, client):
    @app.page("/in")
    class In(View):
        async def post(self, request):
            return self.json(await request.json())

        async def put(self, request):
            return self.json(dict(await request.post()))

        async def patch(self, request):
            try:
                return self.json(await request.json())
            except ValueError:  # as applications catch it
                return self.text("caught")

    http = client(app)
    for body in (b"", b"{", b"\xff", b"[" * 100_000, b"{'a': 1}"):
        response = await http.post("/in", content=body)
        assert response.status_code == 400, body[:10]
        assert response.json()["error"] in {"invalid", "bad_request"}
    assert (await http.patch("/in", content=b"{")).text == "caught"
    response = await http.post("/in", content=b"1" * (5 * 1024 * 1024))
    assert (response.status_code, response.json()["error"]) == (413, "too_large")
    response = await http.put("/in", content=b"a=1", headers={"content-type": "text/plain"})
    assert (response.status_code, response.json()["error"]) == (415, "wrong_media_type")
    form = {"content-type": "application/x-www-form-urlencoded"}
    assert (await http.put("/in", content=b"&".join([b"a=1"] * 2000), headers=form)).status_code == 400
    response = await http.post("/in", content=b"{}", headers={"content-type": "application/json; charset=klingon"})
    assert (response.status_code, response.json()["error"]) == (400, "bad_request")


@pytest.mark.parametrize("name", [name for name in web_exceptions.__all__ if name != "WebError"])
async def test_what_a_page_raises_is_its_answer(app, client, name):
    kind = getattr(web_exceptions, name)

    @app.page("/raise")
    async def show(self, request):
        assert getattr(self, name) is kind
        raise kind("because", colour="red")

    response = await client(app).get("/raise")
    assert response.status_code == kind.code
    assert response.json() == {"error": kind.word, "reason": "because", "colour": "red"}
    assert ("retry-after" in response.headers) == (kind.code == 503)
    assert kind().detail == kind.detail != ""
    assert kind(code=418).code == 418


class SecretError(Exception):
    pass


async def test_a_bug_in_a_page_tells_its_log_and_nobody_else(app, client, caplog):
    @app.page("/bug")
    async def bug(self, request):
        raise SecretError("/etc/passwd")

    @app.page("/nothing")
    async def nothing(self, request):
        return {"a": 1}

    @app.page("/parts/{x}")
    async def parts(self, request):
        return self.text("never")

    @app.page("/set")
    async def not_json(self, request):
        return self.json(object())

    @app.page("/busy")
    async def busy(self, request):
        raise QueryUnavailable("it moves", code="restoring")

    @app.page("/late")
    async def late(self, request):
        async with asyncio.timeout(0.001):
            await asyncio.sleep(10)

    http = client(app)
    for path in ("/bug", "/nothing", "/parts/1", "/set"):
        response = await http.get(path)
        assert response.status_code == 500
        assert response.json() == {"error": "failed", "reason": "this worker failed to answer; its log says why"}
    assert "SecretError: /etc/passwd" in caplog.text
    assert "page /nothing (" in caplog.text
    assert "return self.json(…)" in caplog.text
    response = await http.get("/busy")
    assert (response.status_code, response.json()["error"], response.headers["retry-after"]) == (503, "restoring", "1")
    assert (await http.get("/late")).json()["error"] == "timeout"


async def test_with_debug_a_bug_is_in_the_answer(client):
    app = App("debugged", broker="memory://", debug=True)

    @app.page("/bug")
    async def bug(self, request):
        raise SecretError("/etc/passwd")

    response = await client(app).get("/bug")
    assert "SecretError: /etc/passwd" in "".join(response.json()["traceback"])


async def test_a_page_that_takes_too_long_is_cancelled(client):
    app = App("slow", broker="memory://", web_request_timeout=0.05)
    cancelled = asyncio.Event()

    @app.page("/slow")
    async def slow(self, request):
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled.set()
            raise

    response = await client(app).get("/slow")
    assert (response.status_code, response.json()["error"]) == (503, "timeout")
    assert "0.05 s" in response.json()["reason"]
    assert cancelled.is_set()


class Order(Record):
    id: int
    at: dt.datetime | None = None


async def test_records_go_in_and_out(app, client):
    @app.page("/orders")
    class Orders(View):
        @takes_model(Order)
        @gives_model(Order)
        async def post(self, request, order):
            if order.id == 0:
                return self.error(409, "there is one")
            return Order(order.id + 1, at=dt.datetime(2024, 1, 2, tzinfo=dt.UTC))

        @gives_model(Order)
        async def get(self, request):
            return "no order"

    http = client(app)
    answer = (await http.post("/orders", content=b'{"id": 1}')).json()
    assert (answer["id"], answer["at"]) == (2, "2024-01-02T00:00:00Z")
    response = await http.post("/orders", content=b'{"id": 0}')
    assert (response.status_code, response.json()["reason"]) == (409, "there is one")
    for body in (b"", b"{}", b'{"id": "x"}', b"[]", b"\xff"):
        response = await http.post("/orders", content=body)
        assert (response.status_code, response.json()["error"]) == (400, "invalid"), body
        assert "Order" in response.json()["reason"]
    assert (await http.get("/orders")).status_code == 500
    with pytest.raises(ConfigError, match=r"is no faust\.Record"):
        takes_model(int)


async def test_addresses_of_pages_are_found_by_name(client):
    app = App("named", broker="memory://", canonical_url="https://shop.example/w1")

    @app.page("/users/{name}/", name="user")
    class User(View):
        async def get(self, request, name):
            return self.json(
                [
                    self.path_for("user", name="a/b ü"),
                    self.url_for("user", name="x"),
                    self.url_for("user", "http://other/", name="x"),
                    app.web.url_for("other"),
                ]
            )

    @app.page("/other")
    class Other(View):
        view_name = "other"

    assert (await client(app).get("/users/x/")).json() == [
        "/users/a%2Fb%20%C3%BC/",
        "https://shop.example/w1/users/x/",
        "http://other/users/x/",
        "/other",
    ]
    with pytest.raises(KeyError, match="no page is called 'nobody'"):
        app.web.url_for("nobody")
    with pytest.raises(TypeError, match="has the parts"):
        app.web.url_for("user")


def test_wrong_declarations_are_named(app, tmp_path):
    app.page("/a/{x}")(View)
    wrong = {
        "there is a page at /a/{x} already": lambda: app.page("/a/{x}")(View),
        "is not closed": lambda: app.page("/b/{x"),
        "closing brace too many": lambda: app.page("/b/x}"),
        "cannot be the name of a part": lambda: app.page("/b/{1}/"),
        "or is one already": lambda: app.page("/b/{x}/{x}"),
        "no regular expression": lambda: app.page("/b/{x:(}"),
        "a page is an async function": lambda: app.page("/c")(lambda self, request: None),
        "no subclass of faust.web.View": lambda: app.page("/c")(int),
        "no origin such as": lambda: app.page("/c", cors_options={"shop": {}}),
        "no option 'colour'": lambda: app.page("/c", cors_options={"*": {"colour": 1}}),
        "there is no ": lambda: app.web.add_static("/s", tmp_path / "nothing"),
        "takes one of": lambda: app.table_route("t"),
        "between @app.page and": lambda: app.table_route("t", exact_key="k")(View),
        "the name of a blueprint": lambda: Blueprint("a:b"),
        "there is no blueprint 'nothing.here'": lambda: _added(app, "nothing.here"),
        "is no blueprint, but": lambda: _added(app, "faust_web:View"),
        "above zero": lambda: faust_web.Cache(timeout=0),
        "give a list of names": lambda: faust_web.Cache(include_headers="Accept"),
        "set cache= of the app": lambda: faust_web.Cache(backend="redis://x"),
    }
    for message, declare in wrong.items():
        with pytest.raises(ConfigError, match=re.escape(message)):
            _carried_out(declare)


def _carried_out(declare: Callable[[], Any]) -> None:
    declared = declare()
    if callable(declared):
        declared(View)


def _added(app: App, name: str) -> None:
    app.web.blueprints.add("/x", name)
    app.web.blueprints.apply(app.web)


blueprint = Blueprint("users")


@blueprint.route("/", name="list")
class Users(View):
    async def get(self, request):
        return self.json(self.path_for("users:detail", name="ann"))


@blueprint.route("/{name}", name="detail")
async def user_detail(self, request, name):
    return self.text(name)


async def test_blueprints_put_pages_and_files_under_a_path(app, client, tmp_path):
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "a.txt").write_text("file a")
    (tmp_path / "secret.txt").write_text("secret")
    files = Blueprint("files", url_prefix="/public")
    files.static("/all", tmp_path / "files")
    files.static("/one.txt", tmp_path / "files" / "a.txt", name="one")
    files.register(app)
    blueprint.register(app, url_prefix="/one")
    app.web.blueprints.add("/two/", blueprint)
    http = client(app)
    assert (await http.get("/one/")).json() == "/one/ann"
    assert (await http.get("/two/bob")).text == "bob"
    assert (await http.get("/public/all/a.txt")).text == (await http.get("/public/one.txt")).text == "file a"
    assert app.web.url_for("files:one") == "/public/one.txt"
    for path in ("/public/all/", "/public/all/b.txt", "/public/all/..%2Fsecret.txt", "/public/all/%2e%2e/secret.txt"):
        response = await http.get(path)
        assert (response.status_code, response.json()["error"]) == (404, "not_found"), path
    response = await http.post("/public/all/a.txt")
    assert (response.status_code, response.json()["error"]) == (405, "wrong_method")


async def test_more_ways_to_show_something(app, client):
    class Shown(View):
        view_name = "shown"
        view_path = "/shown"

        async def get(self, request):
            self.route("/later", later)
            return StreamingResponse(iter(["a", "b"]))

        async def on_request_error(self, request, exc):
            return self.text(f"sorry: {exc.detail}", status=exc.code)

    async def later(request):
        return Response(text=request.path)

    view = app.web.add_view(Shown, prefix="/under")
    assert view.path_for("shown") == "/under/shown"

    class Hooked(App):
        def on_webserver_init(self, web):
            web.route("/hooked", later)

    http = client(app)
    assert (await http.get("/under/shown")).text == "ab"
    assert (await http.get("/later")).text == (await http.post("/later")).text == "/later"
    assert (await http.post("/under/shown")).text == "sorry: Method POST not allowed."
    assert (await client(Hooked("hooked", broker="memory://")).get("/hooked")).text == "/hooked"


async def test_an_applications_own_page_comes_before_the_built_in_ones_but_not_before_health(app, client):
    for path in ("/", "/health", "/table/", "/router/"):

        @app.page(path)
        async def mine(self, request):
            return self.text("mine")

    http = client(app)
    assert [(await http.get(path)).text == "mine" for path in ("/", "/table/", "/router/", "/health")] == [
        True,
        True,
        True,
        False,
    ]


async def test_a_public_page_needs_no_token(client):
    app = App("guarded", broker="memory://", web_token="s3cret")

    @app.page("/open/{x}")
    class Open(View):
        public = True

        async def get(self, request, x):
            return self.text(x)

    @app.page("/closed")
    async def closed(self, request):
        return self.text("closed")

    http = client(app)
    assert (await http.get("/open/1")).text == "1"
    for path in ("/closed", "/", "/router/", "/stats", "/open", "/open/", "/open/1/2", "/nothing"):
        assert (await http.get(path)).status_code == 401, path
    assert (await http.get("/closed", headers={"Authorization": "Bearer s3cret"})).text == "closed"


# -- keeping answers


async def test_an_answer_is_kept_for_its_time_and_for_its_address(client):
    from faust_core.testing import ManualClock

    app = App("kept", broker="memory://")
    app.clock = clock = ManualClock()
    calls: list[str] = []
    cache = Blueprint("b").cache(timeout=30)

    @app.page("/kept/{x}")
    class Kept(View):
        @cache.view(timeout=10)
        async def get(self, request, x):
            calls.append(x)
            headers = {k: v for k, v in request.query.items() if k not in {"status", "n"}}
            return self.json(len(calls), status=int(request.query.get("status", 200)), headers={"X-A": "1", **headers})

        @cache.view()
        async def post(self, request, x):
            return await self.get(request, x)

    http = client(app)
    first, again = await http.get("/kept/a?n=1"), await http.get("/kept/a?n=1")
    assert (first.json(), dict(first.headers)) == (again.json(), dict(again.headers)) == (1, dict(first.headers))
    assert (await http.get("/kept/b?n=1")).json() == 2
    assert (await http.get("/kept/a?n=2")).json() == 3
    assert (await http.head("/kept/a?n=1")).status_code == 200
    assert len(calls) == 4
    await clock.elapse(11)
    assert (await http.get("/kept/a?n=1")).json() == 5
    for query in ("status=404", "status=201", "Set-Cookie=a%3D1", "Cache-Control=no-store", "Vary=Accept"):
        before = len(calls)
        for _ in range(2):
            await http.get(f"/kept/a?{query}")
        assert len(calls) == before + 2, query
    before = len(calls)
    for headers in ({"Authorization": "Basic x"}, {"Cookie": "a=1"}):
        for _ in range(2):
            await http.get("/kept/a?n=1", headers=headers)
    assert len(calls) == before + 4
    await http.post("/kept/a?n=1")
    assert app.web.caches.counts["hits"] == 1
    assert app.web.caches.counts["unavailable"] == 0
    assert app.web_stats()["started"] is False


async def test_named_headers_tell_answers_apart(app, client):
    @app.page("/mine")
    class Mine(View):
        @faust_web.Cache(include_headers=["Cookie", "Accept-Language"]).view()
        async def get(self, request):
            return self.text(f"{request.cookies} {request.headers.get('accept-language')} {len(seen)}{seen.append(1)}")

    seen: list[int] = []
    http = client(app)

    async def ask(**headers):
        return (await http.get("/mine", headers=headers)).text

    ann, bob = await ask(cookie="u=ann"), await ask(cookie="u=bob")
    assert ann != bob
    assert (await ask(cookie="u=ann"), await ask(cookie="u=bob")) == (ann, bob)
    assert await ask(cookie="u=ann", **{"accept-language": "de"}) not in {ann, bob}
    assert await ask(cookie="u=ann", accept="x") == ann
    before = len(seen)
    await ask(cookie="u=ann", authorization="Basic x")
    assert len(seen) == before + 1


async def test_the_shared_token_does_not_keep_answers_from_being_kept(client):
    app = App("kept-token", broker="memory://", web_token="s3cret")
    calls: list[int] = []

    @app.page("/kept")
    class Kept(View):
        @faust_web.Cache().view()
        async def get(self, request):
            calls.append(1)
            return self.text("kept")

    http = client(app, headers={"Authorization": "Bearer s3cret"})
    assert [(await http.get("/kept")).text for _ in range(3)] == ["kept"] * 3
    assert len(calls) == 1


@pytest.mark.redis
async def test_a_cache_that_is_away_fails_no_page(own_redis, client, caplog):
    caplog.set_level(logging.INFO)
    server = own_redis()
    app = App("away", broker="memory://", cache=f"{server.url}?socket_timeout_s=20")
    calls: list[int] = []

    @app.page("/kept")
    class Kept(View):
        @faust_web.Cache().view(key_prefix="k")
        async def get(self, request):
            calls.append(1)
            return self.json(len(calls))

    http = client(app)
    assert [(await http.get("/kept")).json() for _ in range(2)] == [1, 1]
    server.kill()
    assert [(await http.get("/kept")).json() for _ in range(5)] == [2, 3, 4, 5, 6]
    assert caplog.text.count("the cache of web pages is away") == 1
    assert app.web.caches.counts["unavailable"] == 10
    server.start()
    app.web.caches._away = dict.fromkeys(app.web.caches._away, 0.0)  # time goes by
    assert [(await http.get("/kept")).json() for _ in range(2)] == [7, 7]
    assert caplog.text.count("the cache of web pages is back") == 1
    await app.cache.set("mine", b"1", timeout=5)
    assert await app.cache.get("mine") == b"1"
    await app.stop()


async def test_an_entry_that_cannot_be_read_is_made_anew(app, client):
    @app.page("/kept")
    class Kept(View):
        @faust_web.Cache().view()
        async def get(self, request):
            return self.text("kept")

    http = client(app)
    await http.get("/kept")
    (key,) = app.cache._entries
    for broken in (b"", b"{}\n", b'{"status": 200}', b"\xff\n", b'{"status": "x", "headers": []}\nbody'):
        await app.cache.set(key, broken)
        assert (await http.get("/kept")).text == "kept", broken


async def test_a_cache_url_that_is_wrong_is_said_at_the_start():
    with pytest.raises(ConfigError, match="no cache for redsi://: did you mean 'redis'"):
        await App("x", broker="memory://", cache="redsi://localhost").start()
    with pytest.raises(ConfigError, match="a URL such as memory://"):
        App("x", broker="memory://", cache="localhost")


def test_a_response_has_the_names_of_the_original():
    response = Response(text="ü", status=201, headers={"X-A": "1"})
    assert (response.status, response.text, response.body) == (201, "ü", "ü".encode())
    assert (response.content_type, response.charset, response.content_length) == ("text/plain", "utf-8", 2)
    assert response.headers["x-a"] == "1"
    response.status = 404
    assert response.status_code == 404
    with pytest.raises(ValueError, match="not both"):
        Response(b"a", text="b")
    assert json.loads(bytes(Response(b"1", content_type="application/json").body)) == 1
