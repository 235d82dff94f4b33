"""The registry's HTTP API, through Confluent's client: blocking, and for any thread.

What goes wrong becomes an error of ours here, and nowhere else.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from faust_core.errors import ConfigError

from .errors import IncompatibleSchema, RegistryRefused, RegistryUnavailable, SchemaNotFound

__all__ = ["Reference", "RegistryClient", "Schema"]

T = TypeVar("T")

#: Of HTTP: those that may not be the same next time.
_PASSING: Final = frozenset({408, 425, 429, 500, 502, 503, 504})


@dataclass(frozen=True)
class Reference:
    """Another schema that a schema uses."""

    name: str
    subject: str
    version: int


@dataclass(frozen=True)
class Schema:
    """A schema as the registry has it.

    Attributes:
        text: of the schema; for Protobuf the text of the file, or its descriptor in base64.
        kind: `AVRO`, `JSON` or `PROTOBUF`.
    """

    text: str
    kind: str
    references: tuple[Reference, ...] = ()


class RegistryClient:
    """Asks the registry.  Every call may block for as long as time-out and retries add up to; any thread may call.

    What has once been found is never asked for again: ids and schemas do not change.
    """

    def __init__(self, urls: Sequence[str], options: Mapping[str, Any]) -> None:
        """Args:
        options: of Confluent's client, by its names.

        Raises:
            ConfigError: a URL or an option cannot be.
        """
        self.urls = tuple(urls)
        if not self.urls:
            raise ConfigError("a schema registry needs a URL: SchemaRegistry('http://localhost:8081')")
        for url in self.urls:
            if not url.startswith(("http://", "https://")):
                raise ConfigError(f"schema registry {url!r}: the URL begins with http:// or https://")
        self._options = dict(options)
        self._client: Any = None
        self._lock = threading.Lock()
        self._schemas: dict[int, Schema] = {}
        self._ids: dict[tuple[Any, ...], int] = {}
        self._versions: dict[tuple[str, int], Schema] = {}

    # -- asking

    def register(self, subject: str, schema: Schema, *, normalize: bool = False) -> int:
        """Register a schema under a subject, where it is not there already, and return its id.

        Raises:
            IncompatibleSchema: it breaks the subject's compatibility.
            RegistryRefused: it is no valid schema, or may not be registered.
            RegistryUnavailable: ask again later.
        """
        id_ = self._id(
            ("register", subject, schema, normalize),
            f"register the schema of {subject!r}",
            lambda client: client.register_schema(subject, _theirs(schema), normalize_schemas=normalize),
        )
        return self._known(id_, schema)

    def id_of(self, subject: str, schema: Schema, *, normalize: bool = False) -> int:
        """Return the id of a schema that is registered under a subject.

        Raises:
            SchemaNotFound: it is not.
            RegistryUnavailable: ask again later.
        """
        id_ = self._id(
            ("look up", subject, schema, normalize),
            f"find the schema of {subject!r}",
            lambda client: client.lookup_schema(subject, _theirs(schema), normalize_schemas=normalize).schema_id,
        )
        return self._known(id_, schema)

    def version_of(self, subject: str, schema: Schema) -> int:
        """Return which version of a subject a schema is."""
        return self._id(
            ("version", subject, schema),
            f"find the version of a schema of {subject!r}",
            lambda client: client.lookup_schema(subject, _theirs(schema)).version,
        )

    def latest(self, subject: str) -> tuple[int, Schema]:
        """Return the newest schema of a subject, with its id; asked anew each time.

        Raises:
            SchemaNotFound: the subject has none.
            RegistryUnavailable: ask again later.
        """
        found = self._ask(
            f"find the latest schema of {subject!r}",
            lambda client: _forget_latest(client).get_latest_version(subject),
        )
        schema = _ours(found.schema)
        self._schemas[found.schema_id] = schema
        return found.schema_id, schema

    def schema(self, id_: int, *, form: str | None = None) -> Schema:
        """Return the schema of an id.

        Args:
            form: `serialized` asks for a Protobuf schema as its descriptor.

        Raises:
            SchemaNotFound: there is none.
            RegistryUnavailable: ask again later.
        """
        found = self._schemas.get(id_)
        if found is None:
            found = self._schemas[id_] = self._ask(
                f"find schema {id_}", lambda client: _ours(client.get_schema(id_, fmt=form))
            )
        return found

    def version(self, subject: str, version: int) -> Schema:
        """Return a version of a subject.

        Raises:
            SchemaNotFound: there is none.
            RegistryUnavailable: ask again later.
        """
        place = (subject, version)
        found = self._versions.get(place)
        if found is None:
            found = self._versions[place] = self._ask(
                f"find version {version} of {subject!r}", lambda client: _ours(client.get_version(*place).schema)
            )
        return found

    def close(self) -> None:
        """Close the connections; asking again opens new ones."""
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client.close()

    # -- how

    def _id(self, place: tuple[Any, ...], what: str, ask: Callable[[Any], int]) -> int:
        found = self._ids.get(place)
        if found is None:
            found = self._ids[place] = self._ask(what, ask)
        return found

    def _known(self, id_: int, schema: Schema) -> int:
        self._schemas.setdefault(id_, schema)
        return id_

    def _ask(self, what: str, ask: Callable[[Any], T]) -> T:
        from confluent_kafka.schema_registry.common._httpx_compat import httpx  # noqa: PLC0415  which of two it uses
        from confluent_kafka.schema_registry.error import OAuthTokenError, SchemaRegistryError  # noqa: PLC0415

        where = ", ".join(self.urls)
        try:
            return ask(self._connected())
        except SchemaRegistryError as exc:
            raise self._translated(what, exc) from exc
        except OAuthTokenError as exc:
            raise RegistryRefused(f"cannot {what}: no token for the schema registry {where}: {exc}") from exc
        except httpx.TransportError as exc:
            raise RegistryUnavailable(
                f"cannot {what}: the schema registry {where} cannot be reached: {str(exc) or type(exc).__name__}"
            ) from exc
        except (ValueError, KeyError, TypeError, AttributeError) as exc:
            raise RegistryRefused(
                f"cannot {what}: what answers at {where} is no schema registry: {type(exc).__name__}: {exc}"
            ) from exc

    def _connected(self) -> Any:
        with self._lock:
            if self._client is None:
                from confluent_kafka.schema_registry import SchemaRegistryClient  # noqa: PLC0415

                try:
                    self._client = SchemaRegistryClient({"url": ",".join(self.urls), **self._options})
                except (ValueError, TypeError, OSError) as exc:  # files for TLS are read here
                    raise RegistryRefused(f"schema registry {', '.join(self.urls)}: {exc}") from exc
            return self._client

    def _translated(self, what: str, exc: Any) -> Exception:
        status, code, reason = exc.http_status_code or 0, exc.error_code or 0, exc.error_message or str(exc)
        where = ", ".join(self.urls)
        if status in _PASSING:
            return RegistryUnavailable(f"cannot {what}: the schema registry {where} fails with {status}: {reason}")
        if status in (401, 403):
            return RegistryRefused(
                f"cannot {what}: the schema registry {where} refuses the credentials ({status}): {reason}",
                status=status,
                code=code,
            )
        if status == 409:
            return IncompatibleSchema(
                f"cannot {what}: it is incompatible with what is registered: {reason}", status=status, code=code
            )
        if status == 404 and code // 100 == 404:
            return SchemaNotFound(f"cannot {what}: {reason} ({code})", status=status, code=code)
        if status == 404:
            return RegistryRefused(
                f"cannot {what}: {where} has no such page: is it the URL of a schema registry?", status=status
            )
        return RegistryRefused(f"cannot {what}: {reason} ({code or status})", status=status, code=code)


def _forget_latest(client: Any) -> Any:
    client.clear_latest_caches()
    return client


def _theirs(schema: Schema) -> Any:
    from confluent_kafka.schema_registry import Schema as Theirs  # noqa: PLC0415
    from confluent_kafka.schema_registry import SchemaReference  # noqa: PLC0415

    references = [SchemaReference(r.name, r.subject, r.version) for r in schema.references]
    return Theirs(schema.text, schema.kind, references)


def _ours(schema: Any) -> Schema:
    references = tuple(Reference(r.name, r.subject, r.version) for r in schema.references or ())
    return Schema(schema.schema_str, schema.schema_type or "AVRO", references)
