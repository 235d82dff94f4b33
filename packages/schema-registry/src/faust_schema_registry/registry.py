"""`SchemaRegistry`: where the registry is, how to reach it, and the codecs that use it."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from faust_core.errors import ConfigError
from faust_core.protocols.codec import Part, TopicCodec

from .avro import AvroFormat
from .client import RegistryClient
from .codec import Format, RegistryCodec, Writing
from .json_schema import JsonSchemaFormat
from .protobuf import ProtobufFormat
from .subjects import SubjectName, subject_strategy

__all__ = ["SchemaCodec", "SchemaRegistry", "avro", "json_schema", "protobuf"]


class SchemaCodec:
    """A codec that becomes one when topic and type are known: `app.topic(…, value_serializer=registry.avro())`."""

    #: Bytes are taken to be encoded already, header included.
    encodes_bytes = False

    def __init__(
        self,
        name: str,
        client: Callable[[], RegistryClient],
        make: Callable[[Any], Format],
        subject: SubjectName,
        writing: Writing,
    ) -> None:
        self.name = name
        self._client = client
        self._make = make
        self._subject = subject
        self._writing = writing

    def for_topic(self, topic: str, part: Part, value_type: Any, /) -> RegistryCodec:
        """Return the codec for keys or values of a topic; nothing is asked for yet.

        Raises:
            ConfigError: the format cannot carry the type.
        """
        format_ = self._make(value_type)
        return RegistryCodec(self._client(), format_, lambda: self._subject(topic, part, format_.record), self._writing)

    def __repr__(self) -> str:
        return f"<codec {self.name}>"


class SchemaRegistry:
    """A schema registry that speaks Confluent's HTTP API.  Makes codecs; connects when the first of them needs it.

        registry = SchemaRegistry("http://localhost:8081")
        orders = app.topic("orders", value_type=Order, value_serializer=registry.avro())

    May be used by any thread.
    """

    def __init__(
        self,
        url: str | Sequence[str],
        *,
        basic_auth: tuple[str, str] | str | None = None,
        bearer_token: str | None = None,
        ssl_ca: str | Path | None = None,
        ssl_certificate: str | Path | None = None,
        ssl_key: str | Path | None = None,
        ssl_key_password: str | None = None,
        timeout_s: float = 10.0,
        retries: int = 2,
        retry_wait_s: float = 0.2,
        auto_register: bool = True,
        use_latest: bool = False,
        normalize: bool = False,
        subject_name: str | SubjectName = "topic",
        options: Mapping[str, Any] | None = None,
    ) -> None:
        """Args:
            url: of the registry, or several of one registry, also with commas between; the next one is asked where
                one cannot be reached.
            basic_auth: user and password, also as `user:password`.
            bearer_token: in place of `basic_auth`.
            ssl_ca, ssl_certificate, ssl_key, ssl_key_password: files in PEM for https://; the system's authorities
                and no certificate of our own by default.
            timeout_s: for one attempt.
            retries, retry_wait_s: further attempts at each URL, after pauses that grow from `retry_wait_s`.
            auto_register: register schemas that are not there; without, they must be.
            use_latest: write with the newest schema of the subject in place of the type's own.
            normalize: let the registry bring schemas into one form before it compares them.
            subject_name: `topic`, `record`, `topic-record`, or a function of (topic, part, record's full name).
            options: of Confluent's Python client, by its names, for what has none here: OAuth, proxies.

        Raises:
            ConfigError: an option cannot be.
        """
        if basic_auth and bearer_token:
            raise ConfigError("a schema registry takes basic_auth or bearer_token, not both")
        if timeout_s <= 0 or retries < 0 or retry_wait_s < 0:
            raise ConfigError("timeout_s is above 0, retries and retry_wait_s are not below")
        urls = url.split(",") if isinstance(url, str) else list(url)
        client: dict[str, Any] = {
            "timeout": timeout_s,
            "max.retries": retries,
            "retries.wait.ms": retry_wait_s * 1000,
        }
        if basic_auth:
            client["basic.auth.user.info"] = basic_auth if isinstance(basic_auth, str) else ":".join(basic_auth)
        if bearer_token:
            client |= {
                "bearer.auth.credentials.source": "STATIC_TOKEN",
                "bearer.auth.token": bearer_token,
                # Confluent Cloud's; other registries do not look at them.
                "bearer.auth.logical.cluster": "",
                "bearer.auth.identity.pool.id": "",
            }
        for name, file in {
            "ssl.ca.location": ssl_ca,
            "ssl.certificate.location": ssl_certificate,
            "ssl.key.location": ssl_key,
        }.items():
            if file is not None:
                if not Path(file).is_file():
                    raise ConfigError(f"schema registry: there is no file {str(file)!r} for {name}")
                client[name] = str(file)
        if ssl_key_password is not None:
            client["ssl.key.password"] = ssl_key_password
        self.client = RegistryClient([u.strip() for u in urls if u.strip()], {**client, **(options or {})})
        self._writing = Writing(auto_register, use_latest, normalize)
        self._subject = subject_strategy(subject_name)

    def avro(
        self,
        *,
        schema: str | Mapping[str, Any] | list[Any] | None = None,
        name: str | None = None,
        subject_name: str | SubjectName | None = None,
    ) -> SchemaCodec:
        """Return a codec for Avro.

        Args:
            schema: to read and write by, in place of the type's own; as JSON or as what JSON stands for.
            name: full name of the record (`com.example.Order`), in place of its module and class.
            subject_name: in place of the registry's.

        Raises:
            ConfigError: there is no such strategy.
        """
        return self._codec("avro", lambda value_type: AvroFormat(value_type, schema, name), subject_name)

    def json_schema(
        self,
        *,
        schema: str | Mapping[str, Any] | None = None,
        name: str | None = None,
        validate: bool = True,
        subject_name: str | SubjectName | None = None,
    ) -> SchemaCodec:
        """Return a codec for JSON with JSON Schema; arguments as `avro`.

        Args:
            name: the schema's title, in place of the class's name.
            validate: check plain values by their schema; typed ones are always checked by their type.
        """
        return self._codec(
            "json-schema",
            lambda value_type: JsonSchemaFormat(value_type, schema, name, validate=validate),
            subject_name,
        )

    def protobuf(self, *, subject_name: str | SubjectName | None = None) -> SchemaCodec:
        """Return a codec for Protobuf; the topic's type is a generated message class."""
        return self._codec("protobuf", ProtobufFormat, subject_name)

    def close(self) -> None:
        """Close the connections; codecs that need the registry again open new ones."""
        self.client.close()

    def _codec(self, name: str, make: Callable[[Any], Format], subject_name: str | SubjectName | None) -> SchemaCodec:
        subject = self._subject if subject_name is None else subject_strategy(subject_name)
        return SchemaCodec(name, lambda: self.client, make, subject, self._writing)

    def __repr__(self) -> str:
        return f"<SchemaRegistry: {', '.join(self.client.urls)}>"


_SWITCHES = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}


def from_environment() -> SchemaRegistry:
    """Return the registry that the environment names; the same one for the same variables.

    Raises:
        ConfigError: it names none, or something that cannot be.
    """
    return _registry(tuple(sorted((k, v) for k, v in os.environ.items() if k.startswith("SCHEMA_REGISTRY_") and v)))


@functools.lru_cache(maxsize=8)
def _registry(variables: tuple[tuple[str, str], ...]) -> SchemaRegistry:
    given = {name.removeprefix("SCHEMA_REGISTRY_").lower(): value for name, value in variables}
    url = given.pop("url", None)
    if url is None:
        raise ConfigError(
            "where is the schema registry? Set SCHEMA_REGISTRY_URL, or give topics a codec of "
            "faust_schema_registry.SchemaRegistry(url)"
        )
    options: dict[str, Any] = {}
    for name, value in given.items():
        if name in ("auto_register", "use_latest", "normalize"):
            if value.lower() not in _SWITCHES:
                raise ConfigError(f"SCHEMA_REGISTRY_{name.upper()}={value!r}: true or false")
            options[name] = _SWITCHES[value.lower()]
        elif name in ("timeout_s", "retries", "retry_wait_s"):
            try:
                options[name] = int(value) if name == "retries" else float(value)
            except ValueError:
                raise ConfigError(f"SCHEMA_REGISTRY_{name.upper()}={value!r} is no number") from None
        elif name in (
            "basic_auth",
            "bearer_token",
            "ssl_ca",
            "ssl_certificate",
            "ssl_key",
            "ssl_key_password",
            "subject_name",
        ):
            options[name] = value
        # Others belong to other programs.
    return SchemaRegistry(url, **options)


def avro() -> SchemaCodec:
    """Return the codec behind the name `avro`, of the registry that the environment names."""
    return from_environment().avro()


def json_schema() -> SchemaCodec:
    """Return the codec behind the name `json-schema`."""
    return from_environment().json_schema()


def protobuf() -> SchemaCodec:
    """Return the codec behind the name `protobuf`."""
    return from_environment().protobuf()


if TYPE_CHECKING:
    _codec: type[TopicCodec] = SchemaCodec
