"""A schema registry for tests that fails as told, and says what it was asked: the documented HTTP API, over real HTTP.

It is ours, starts at once, and is for tests of faults and of what is asked; tests/services/apicurio.py has a real one.
It checks the compatibility of Avro schemas (BACKWARD and NONE) by Avro's rules of resolution, that of others not at
all.  A Protobuf schema comes back as it was given.
"""

import base64
import json
import re
import ssl
import threading
import urllib.parse
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

__all__ = ["SchemaRegistryServer"]

CONTENT_TYPE = "application/vnd.schemaregistry.v1+json"
LARGEST_ID = 2**31 - 1
PROMOTIONS = {
    "int": {"long", "float", "double"},
    "long": {"float", "double"},
    "float": {"double"},
    "string": {"bytes"},
    "bytes": {"string"},
}


class RefusalError(Exception):
    """An answer that is an error."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


@dataclass
class State:
    """What the registry knows, and how it shall behave.

    Attributes:
        credentials: value of the Authorization header that is asked for, where there is one.
        failing: the status of answers to come, first one first.
        requests: method and path of every request.
    """

    credentials: str | None = None
    failing: list[int] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    schemas: dict[int, dict[str, Any]] = field(default_factory=dict)
    subjects: dict[str, list[int]] = field(default_factory=dict)
    levels: dict[str, str] = field(default_factory=lambda: {"": "BACKWARD"})
    lock: threading.Lock = field(default_factory=threading.Lock)


class SchemaRegistryServer:
    """Runs in a thread of this process; forgets everything when it is closed, but not when it is stopped."""

    def __init__(self, *, credentials: str | None = None, certificate: Path | None = None) -> None:
        """Args:
        credentials: the Authorization header to ask for; `basic()` makes one.
        certificate: file with certificate and key, for https.
        """
        self.state = State(credentials)
        self._certificate = certificate
        self._server: ThreadingHTTPServer | None = None
        self._thread: threading.Thread | None = None
        self._port = 0

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        return f"{'https' if self._certificate else 'http'}://127.0.0.1:{self._port}"

    @property
    def requests(self) -> list[str]:
        """Method and path of every request so far."""
        return list(self.state.requests)

    def start(self) -> None:
        """Listen, at the same port as before."""
        handler = type("Handler", (_Handler,), {"state": self.state})
        self._server = ThreadingHTTPServer(("127.0.0.1", self._port), handler)
        self._server.daemon_threads = True
        self._port = self._server.server_address[1]
        if self._certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self._certificate)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Refuse connections from now on."""
        if self._server is not None and self._thread is not None:
            self._server.shutdown()
            self._server.server_close()
            self._thread.join()
            self._server = None

    @staticmethod
    def basic(user: str, password: str) -> str:
        """Return the Authorization header of a user."""
        return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


class _Handler(BaseHTTPRequestHandler):
    state: State
    protocol_version = "HTTP/1.0"  # a connection for each request: none outlives `stop()`

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def _answer(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length) or b"null")
        url = urllib.parse.urlsplit(self.path)
        self.state.requests.append(f"{self.command} {urllib.parse.unquote(url.path)}")
        try:
            with self.state.lock:
                status, answer = 200, self._do(urllib.parse.unquote(url.path), body)
        except RefusalError as refusal:
            status, answer = refusal.status, {"error_code": refusal.code, "message": refusal.message}
        data = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", CONTENT_TYPE)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_PUT = do_DELETE = _answer  # noqa: N815  (names of the standard library)

    def _do(self, path: str, body: Any) -> Any:
        if self.state.failing:
            status = self.state.failing.pop(0)
            raise RefusalError(status, 50001 if status == 500 else status, "Error in the backend data store")
        if self.state.credentials is not None and self.headers.get("Authorization") != self.state.credentials:
            raise RefusalError(401, 401, "Unauthorized")
        for method, pattern, function in _ROUTES:
            found = re.fullmatch(pattern, path)
            if method == self.command and found:
                return function(self.state, body, *found.groups())
        raise RefusalError(404, 404, "HTTP 404 Not Found")


def _register(state: State, body: Any, subject: str) -> Any:
    schema = _schema_of(state, body)
    existing = _find(state, subject, schema)
    if existing is not None:
        return {"id": existing}
    versions = state.subjects.get(subject, [])
    if versions and _level(state, subject) != "NONE" and (problems := _problems(state, schema, versions[-1])):
        raise RefusalError(
            409,
            409,
            f"Schema being registered is incompatible with an earlier schema for subject {subject!r}, details: "
            f"[{'; '.join(problems)}]",
        )
    known = next((id_ for id_, other in state.schemas.items() if other == schema), None)
    id_ = known or len(state.schemas) + 1
    state.schemas[id_] = schema
    state.subjects.setdefault(subject, []).append(id_)
    return {"id": id_}


def _look_up(state: State, body: Any, subject: str) -> Any:
    if subject not in state.subjects:
        raise RefusalError(404, 40401, f"Subject '{subject}' not found.")
    id_ = _find(state, subject, _schema_of(state, body))
    if id_ is None:
        raise RefusalError(404, 40403, "Schema not found")
    return _version(state, subject, state.subjects[subject].index(id_) + 1)


def _schema_of(state: State, body: Any) -> dict[str, Any]:
    kind, text = body.get("schemaType") or "AVRO", body["schema"]
    if kind != "PROTOBUF":
        try:
            parsed = json.loads(text)
        except ValueError:
            raise RefusalError(422, 42201, "Invalid schema: it is no JSON") from None
        if kind == "AVRO" and (isinstance(parsed, dict) and "type" not in parsed):
            raise RefusalError(422, 42201, f"Invalid schema {text}: No type")
        text = json.dumps(parsed, separators=(",", ":"))  # white space makes no other schema
    references = body.get("references") or []
    for reference in references:
        if len(state.subjects.get(reference["subject"], ())) < reference["version"]:
            raise RefusalError(422, 42201, f"Invalid schema: no reference found for {reference['name']}")
    return {"schema": text, "schemaType": kind, "references": references}


def _find(state: State, subject: str, schema: dict[str, Any]) -> int | None:
    return next((id_ for id_ in state.subjects.get(subject, ()) if state.schemas[id_] == schema), None)


def _level(state: State, subject: str) -> str:
    return state.levels.get(subject, state.levels[""])


def _version(state: State, subject: str, version: int) -> Any:
    id_ = state.subjects[subject][version - 1]
    return {"subject": subject, "version": version, "id": id_, **_shown(state.schemas[id_])}


def _shown(schema: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in schema.items() if value and (key, value) != ("schemaType", "AVRO")}


def _get_version(state: State, _body: Any, subject: str, version: str) -> Any:
    versions = state.subjects.get(subject)
    if not versions:
        raise RefusalError(404, 40401, f"Subject '{subject}' not found.")
    number = len(versions) if version in ("latest", "-1") else int(version)
    if not 0 < number <= len(versions):
        raise RefusalError(404, 40402, f"Version {version} not found.")
    return _version(state, subject, number)


def _versions(state: State, _body: Any, subject: str) -> Any:
    if subject not in state.subjects:
        raise RefusalError(404, 40401, f"Subject '{subject}' not found.")
    return [*range(1, len(state.subjects[subject]) + 1)]


def _by_id(state: State, _body: Any, id_: str) -> Any:
    if int(id_) > LARGEST_ID:  # real ones run on Java, and say so before they look
        raise RefusalError(404, 404, "HTTP 404 Not Found")
    schema = state.schemas.get(int(id_))
    if schema is None:
        raise RefusalError(404, 40403, f"Schema {id_} not found")
    return _shown(schema)


def _test(state: State, body: Any, subject: str, version: str) -> Any:
    known = _get_version(state, None, subject, version)
    problems = _problems(state, _schema_of(state, body), known["id"])
    return {"is_compatible": not problems, "messages": problems}


def _set_level(state: State, body: Any, subject: str = "") -> Any:
    if body["compatibility"] not in ("NONE", "BACKWARD"):
        raise RefusalError(422, 42203, "Invalid compatibility level; this registry has NONE and BACKWARD")
    state.levels[subject.strip("/")] = body["compatibility"]
    return {"compatibility": body["compatibility"]}


def _get_level(state: State, _body: Any, subject: str = "") -> Any:
    return {"compatibilityLevel": _level(state, subject.strip("/"))}


def _delete(state: State, _body: Any, subject: str) -> Any:
    if subject not in state.subjects:
        raise RefusalError(404, 40401, f"Subject '{subject}' not found.")
    return [*range(1, len(state.subjects.pop(subject)) + 1)]


_ROUTES: list[tuple[str, str, Any]] = [
    ("GET", r"/subjects", lambda state, _body: sorted(state.subjects)),
    ("POST", r"/subjects/(.+)/versions", _register),
    ("GET", r"/subjects/(.+)/versions", _versions),
    ("GET", r"/subjects/(.+)/versions/(-?\w+)", _get_version),
    ("POST", r"/subjects/(.+)", _look_up),
    ("DELETE", r"/subjects/(.+)", _delete),
    ("GET", r"/schemas/ids/(\d+)", _by_id),
    ("GET", r"/schemas/types", lambda _state, _body: ["JSON", "PROTOBUF", "AVRO"]),
    ("POST", r"/compatibility/subjects/(.+)/versions/(-?\w+)", _test),
    ("PUT", r"/config(/.+)?", lambda state, body, subject: _set_level(state, body, subject or "")),
    ("GET", r"/config(/.+)?", lambda state, body, subject: _get_level(state, body, subject or "")),
]


def _problems(state: State, schema: dict[str, Any], earlier: int) -> list[str]:
    """Return why the new schema cannot read what an earlier one wrote."""
    old = state.schemas[earlier]
    if old["schemaType"] != schema["schemaType"]:
        return [f"the schema type changed from {old['schemaType']}"]
    if schema["schemaType"] != "AVRO":
        return []
    return _unreadable(json.loads(schema["schema"]), json.loads(old["schema"]), "/")


def _unreadable(reader: Any, writer: Any, path: str) -> list[str]:
    if isinstance(writer, list):
        return [problem for branch in writer for problem in _unreadable(reader, branch, path)]
    if isinstance(reader, list):
        tries = [_unreadable(branch, writer, path) for branch in reader]
        return [] if [] in tries else [f"MISSING_UNION_BRANCH at {path}"]
    kinds = [schema["type"] if isinstance(schema, dict) else schema for schema in (reader, writer)]
    if kinds[0] != kinds[1]:
        mismatch = f"TYPE_MISMATCH at {path}: reader {kinds[0]}, writer {kinds[1]}"
        return [] if kinds[0] in PROMOTIONS.get(str(kinds[1]), ()) else [mismatch]
    if kinds[0] == "record":
        written = {field["name"]: field for field in writer["fields"]}
        found = []
        for field_ in reader["fields"]:
            name = field_["name"]
            if name in written:
                found += _unreadable(field_["type"], written[name]["type"], f"{path}{name}/")
            elif "default" not in field_:
                found.append(f"READER_FIELD_MISSING_DEFAULT_VALUE at {path}{name}")
        return found
    if kinds[0] in ("array", "map"):
        part = "items" if kinds[0] == "array" else "values"
        return _unreadable(reader[part], writer[part], f"{path}{part}/")
    return []
