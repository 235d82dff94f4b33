"""Every setting: one table, and how a value is found for each.

The environment wins over the argument, which wins over the default.  A variable has the setting's name in upper case
unless the table says otherwise, behind `env_prefix`.
"""

from __future__ import annotations

# ruff: noqa: RUF009  `_s` is dataclasses.field with our metadata
import os
import socket
import uuid
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, timedelta, tzinfo
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from faust_core import _parse as p
from faust_core._options import ALIASES, gather, unknown
from faust_core._options import NO_ENV as _NO_ENV
from faust_core.credentials import SSLCredentials, with_tls
from faust_core.errors import AlreadyConfiguredWarning, ConfigError
from faust_core.protocols.transport import Credentials
from faust_core.protocols.web import WebContext

__all__ = ["SETTING_NAMES", "ProcessingGuarantee", "Settings", "seconds"]


class ProcessingGuarantee(StrEnum):
    """How often an event may change the application's results when a worker fails."""

    AT_LEAST_ONCE = "at_least_once"
    EXACTLY_ONCE = "exactly_once"


def _s(
    default: Any,
    parse: p.Parser,
    doc: str = "",
    *,
    env: str = "",
    also: tuple[str, ...] = (),
    effect: bool = True,
    secret: bool = False,
) -> Any:
    """Describe a setting.

    Args:
        default: None may also mean that it follows from other settings; `doc` says how.
        env: the variable that sets it, where it is not the name in upper case; `_NO_ENV` for none.
        also: more variables, that take no prefix.
        effect: False for settings of the original that have no effect here, or not yet; setting one is said in the log.
        secret: its value is shown nowhere.
    """
    metadata = {"parse": parse, "doc": doc, "env": env, "also": also, "effect": effect, "secret": secret}
    if isinstance(default, dict):
        return field(default_factory=default.copy, metadata=metadata)
    return field(default=default, metadata=metadata)


_obj = p.any_value
_sec, _pos_sec = p.seconds(), p.seconds(above_zero=True)
_int0, _int1 = p.integer(0), p.integer(1)


def _credentials(value: Any) -> Credentials:
    if isinstance(value, Credentials):
        return value
    if hasattr(value, "wrap_bio"):
        return SSLCredentials(value)
    raise ValueError("a faust.Credentials(mechanism=…, username=…, password=…, tls=…), or an ssl.SSLContext")


@dataclass(eq=False, kw_only=True)
class Settings:
    """The settings of one application, checked.  Make it by `from_options`.  Durations are in seconds.

    A setting may be assigned, and then counts as given: it is checked, and what follows from it follows anew.
    One that was read already warns with `AlreadyConfiguredWarning`: what has read it keeps the former value.

    Attributes:
        name: the application's id as given, without its version.
        explicit: the settings that an argument, an assignment or the environment has set.
        ignored: those of them that are accepted for the sake of existing applications and have no effect here.
        given: the value of each that does not have its default.
    """

    name: str
    explicit: frozenset[str] = frozenset()
    ignored: tuple[str, ...] = ()
    given: Mapping[str, Any] = field(default_factory=dict)

    # Common
    autodiscover: Any = _s(False, p.modules, "modules to import at start: True for `origin`, their names, or a "
                           "function that returns these", env=_NO_ENV)  # fmt: skip
    datadir: Path = _s(None, p.directory, "where local state is kept; {name}-data", env="APP_DATADIR",
                       also=("FAUST_DATADIR", "F_DATADIR"))  # fmt: skip
    tabledir: Path = _s(None, p.directory, "where tables are kept; {datadir}/v{version}/tables", env="APP_TABLEDIR")
    debug: bool = _s(False, p.boolean, "more pages, and what went wrong in a page is in its answer", env="APP_DEBUG",
                     also=("FAUST_DEBUG", "F_DEBUG"))  # fmt: skip
    env_prefix: str = _s("", p.text, "before the name of every variable", env="APP_ENV_PREFIX")
    id_format: str = _s("{id}-v{self.version}", p.text, "the id of versions above 1", env="APP_ID_FORMAT")
    origin: str | None = _s(None, p.text, "the package that `autodiscover` begins with", env=_NO_ENV)
    timezone: tzinfo = _s(UTC, p.time_zone, "the time zone of cron expressions")
    version: int = _s(1, _int1, "part of the id from 2 on: a new version begins with empty tables", env="APP_VERSION")
    cython_optimizations: bool = _s(False, p.boolean, effect=False)
    blocking_timeout: float | None = _s(None, _sec, "see `stuck_agent_timeout`", effect=False,
                                        also=("FAUST_BLOCKING_TIMEOUT", "F_BLOCKING_TIMEOUT"))  # fmt: skip
    broker: tuple[str, ...] = _s(("kafka://localhost:9092",), p.broker_urls, "URLs of brokers", env="BROKER_URL")
    broker_credentials: Credentials | None = _s(None, _credentials, "how to prove to the broker who we are")
    ssl_context: Any = _s(None, p.ssl_context, "TLS to the broker, where `broker_credentials` say nothing of it",
                          env=_NO_ENV)  # fmt: skip
    logging_config: Mapping[str, Any] | None = _s(None, p.mapping, "for logging.config.dictConfig", env=_NO_ENV)
    loghandlers: tuple[Any, ...] = _s((), p.sequence, "more log handlers", env=_NO_ENV)
    processing_guarantee: ProcessingGuarantee = _s(ProcessingGuarantee.AT_LEAST_ONCE,
                                                   p.members_of(ProcessingGuarantee),
                                                   "how often an event counts when a worker fails")  # fmt: skip
    store: str = _s("memory://", p.text, "where tables are kept", env="APP_STORE")
    cache: str = _s("memory://", p.cache_url, "where web pages are kept for a while", env="CACHE_URL")
    rack: str | None = _s(None, p.text, "standbys prefer another rack than the owner's", env="APP_RACK")
    shutdown_timeout: float = _s(30.0, _sec, "to finish what is in flight", env="APP_SHUTDOWN_TIMEOUT")

    # Errors
    on_error: str = _s("dead_letter", p.choice("dead_letter", "retry", "skip", "crash"),
                       "what becomes of an event whose agent raised", env="APP_ON_ERROR")  # fmt: skip
    error_retries: int = _s(3, _int0, "tries of policy `retry` before the dead letter", env="APP_ERROR_RETRIES")
    error_retry_backoff: float = _s(0.1, _sec, "before the first retry; doubles", env="APP_ERROR_RETRY_BACKOFF")
    on_decode_error: str = _s("dead_letter", p.choice("dead_letter", "skip", "raise"),
                              "what becomes of a record that cannot be decoded", env="APP_ON_DECODE_ERROR")  # fmt: skip
    dead_letter_topic: str = _s(None, p.text, "{id}-dead-letter", env="APP_DEAD_LETTER_TOPIC")
    stuck_agent_timeout: float = _s(60.0, _pos_sec, "an agent without progress is stuck", env="APP_STUCK_AGENT_TIMEOUT")
    stuck_agent_policy: str = _s("report", p.choice("report", "give_up"), "`give_up`: its partitions go to others",
                                 env="APP_STUCK_AGENT_POLICY")  # fmt: skip

    # Agents
    agent_supervisor: Any = _s(None, _obj, "a supervisor of the original; CrashingSupervisor means on_error=crash")

    # Broker
    broker_consumer: tuple[str, ...] = _s(
        None, p.broker_urls, "for consumers; `broker`", env="BROKER_CONSUMER_URL", effect=False
    )
    broker_producer: tuple[str, ...] = _s(
        None, p.broker_urls, "for producers; `broker`", env="BROKER_PRODUCER_URL", effect=False
    )
    broker_api_version: str = _s("auto", p.text, effect=False)
    broker_check_crcs: bool = _s(True, p.boolean, effect=False)
    broker_client_id: str = _s("faust", p.text, "names this client in the broker's log")
    broker_commit_every: int = _s(1_000_000, _int1, "events between checkpoints, at most")
    broker_commit_interval: float = _s(2.8, _pos_sec, "between checkpoints; 0.1 s under exactly_once")
    broker_commit_livelock_soft_timeout: float = _s(300.0, _sec, effect=False)
    broker_heartbeat_interval: float = _s(3.0, _pos_sec, "between heartbeats")
    broker_max_poll_interval: float = _s(1000.0, _sec, "see `stuck_agent_timeout`", effect=False)
    broker_max_poll_records: int | None = _s(None, _int1, effect=False)
    broker_rebalance_timeout: float = _s(60.0, _pos_sec, "for all members to join")
    broker_request_timeout: float = _s(90.0, _pos_sec, "for one request")
    broker_session_timeout: float = _s(60.0, _pos_sec, "without heartbeat, until a worker counts as dead")
    broker_start_timeout: float = _s(30.0, _pos_sec, "to reach the broker at start", env="APP_BROKER_START_TIMEOUT")
    transaction_timeout: float = _s(60.0, _pos_sec, "until the broker aborts one", env="APP_TRANSACTION_TIMEOUT")

    # Consumer
    consumer_api_version: str | None = _s(None, p.text, effect=False)
    consumer_max_fetch_size: int = _s(1_048_576, _int1, "bytes of one partition in one fetch")
    consumer_auto_offset_reset: str = _s("earliest", p.choice("earliest", "latest", "none"),
                                         "where to begin without a committed offset")  # fmt: skip
    consumer_group_instance_id: str | None = _s(None, p.text, "static membership: a restart moves no partitions")
    consumer_metadata_max_age_ms: int = _s(300_000, _int0, effect=False)
    consumer_connections_max_idle_ms: int = _s(540_000, _int0, effect=False)
    consumer_max_buffered_bytes: int = _s(32 * 1_048_576, _int1, "fetched ahead", env="APP_CONSUMER_MAX_BUFFERED_BYTES")
    consumer_options: Mapping[str, Any] = _s({}, p.mapping, "settings of the client library itself", env=_NO_ENV)
    ConsumerScheduler: Any = _s(None, _obj, env=_NO_ENV, effect=False)

    # Serialization
    key_serializer: Any = _s("raw", _obj, "the codec of keys", env="APP_KEY_SERIALIZER")
    value_serializer: Any = _s("json", _obj, "the codec of values", env="APP_VALUE_SERIALIZER")

    # Producer
    producer_acks: int = _s(-1, p.producer_acks, "replicas that confirm: -1 or all, 1, 0")
    producer_api_version: str | None = _s(None, p.text, effect=False)
    producer_compression_type: str | None = _s(None, p.choice("none", "gzip", "snappy", "lz4", "zstd"),
                                             "of records on their way and in the log")  # fmt: skip
    producer_linger: float = _s(0.005, _sec, "wait for more records before a request")
    producer_max_batch_size: int = _s(16_384, _int1, effect=False)
    producer_max_request_size: int = _s(1_000_000, _int1, "bytes of one record or request")
    producer_partitioner: Any = _s(None, _obj, "function of (key, all, available); murmur2", env=_NO_ENV, effect=False)
    producer_request_timeout: float = _s(1200.0, _pos_sec, effect=False)
    producer_threaded: bool = _s(False, p.boolean, effect=False)
    producer_metadata_max_age_ms: int = _s(300_000, _int0, effect=False)
    producer_connections_max_idle_ms: int = _s(540_000, _int0, effect=False)
    producer_options: Mapping[str, Any] = _s({}, p.mapping, "settings of the client library itself", env=_NO_ENV)

    # RPC
    reply_create_topic: bool = _s(
        False, p.boolean, "create the topic for replies", env="APP_REPLY_CREATE_TOPIC", effect=False
    )
    reply_expires: float = _s(86_400.0, _pos_sec, "for how long replies are kept", env="APP_REPLY_EXPIRES")
    reply_to: str = _s(None, p.text, "the topic for replies; {reply_to_prefix}{uuid}", env=_NO_ENV)
    reply_to_prefix: str = _s("f-reply-", p.text, "begins the names of topics for replies", env="APP_REPLY_TO_PREFIX")

    # Streams
    stream_buffer_maxsize: int = _s(4096, _int1, "events waiting, per stream and partition")
    stream_processing_timeout: float = _s(300.0, _sec, "see `stuck_agent_timeout`", effect=False)
    stream_publish_on_commit: bool = _s(False, p.boolean, "an event's sends wait until it is committed", env=_NO_ENV)
    trace_propagation: bool = _s(False, p.boolean, "what an event sends gets its W3C trace context, by the headers "
                                 "`traceparent` and `tracestate`")  # fmt: skip
    stream_recovery_delay: float = _s(0.0, _sec, effect=False)
    stream_wait_empty: bool = _s(True, p.boolean, effect=False)
    stream_ack_cancelled_tasks: bool = _s(False, p.boolean, effect=False)
    stream_ack_exceptions: bool = _s(False, p.boolean, effect=False)
    recovery_consistency_check: bool = _s(True, p.boolean, effect=False)
    store_check_exists: bool = _s(True, p.boolean, effect=False)
    crash_app_on_aerospike_exception: bool = _s(True, p.boolean, effect=False)
    aerospike_retries_on_exception: int = _s(60, _int0, effect=False)
    aerospike_sleep_seconds_between_retries_on_exception: float = _s(1.0, _sec, effect=False)

    # Tables
    table_cleanup_interval: float = _s(30.0, _pos_sec, "between removals of expired windows", effect=False)
    table_key_index_size: int = _s(1000, _int1, effect=False)
    table_standby_replicas: int = _s(1, _int0, "warm copies of each table partition on other workers")
    table_cache_size: int = _s(100_000, _int0, "decoded entries per table", env="APP_TABLE_CACHE_SIZE")
    overlay_max_keys: int = _s(100_000, _int1, "changed keys that bring a checkpoint", env="APP_OVERLAY_MAX_KEYS")
    acceptable_recovery_lag: int = _s(10_000, _int0, "changelog records that a standby may be behind and take over",
                                      env="APP_ACCEPTABLE_RECOVERY_LAG")  # fmt: skip
    max_warmup_replicas: int = _s(2, _int1, "tasks that warm up at a time", env="APP_MAX_WARMUP_REPLICAS")
    probing_interval: float = _s(600.0, _pos_sec, "between looks at warm-ups", env="APP_PROBING_INTERVAL")

    # Topics
    topic_allow_declare: bool = _s(True, p.boolean, "create topics that do not exist")
    topic_disable_leader: bool = _s(False, p.boolean, effect=False)
    topic_partitions: int = _s(8, _int1, "partitions of topics that are created")
    topic_replication_factor: int = _s(1, p.integer(-1), "replicas of topics that are created; -1: as the broker says")
    repartition_topic_prefix_id: bool = _s(False, p.boolean, "put the id before repartition topics' names",
                                           env="APP_REPARTITION_TOPIC_PREFIX_ID")  # fmt: skip

    # Web
    web: str = _s("aiohttp://", p.text, effect=False)
    web_application_options: Mapping[str, Any] = _s({}, p.mapping, env=_NO_ENV, effect=False)
    web_cors_options: Mapping[str, Any] | None = _s(None, p.mapping, "whose scripts may read pages: {origin: options}, "
                                                    "`*` for any origin", env=_NO_ENV)  # fmt: skip
    web_enabled: bool = _s(
        True, p.boolean, "serve HTTP where faust-web is installed: a worker by default, an application inside another "
        "program only if it is set", env="APP_WEB_ENABLED",
    )  # fmt: skip
    web_stats_enabled: bool = _s(None, p.boolean, "show `/stats` and `/assignment/`; as `debug`",
                                 env="APP_WEB_STATS_ENABLED")  # fmt: skip
    web_graph_enabled: bool = _s(None, p.boolean, "as `debug`", env="APP_WEB_GRAPH_ENABLED", effect=False)
    web_router_enabled: bool = _s(True, p.boolean, "show under `/router/` which worker has what",
                                  env="APP_WEB_ROUTER_ENABLED")  # fmt: skip
    web_tables_enabled: bool = _s(True, p.boolean, "answer questions to tables from outside; workers ask each other in "
                                  "any case", env="APP_WEB_TABLES_ENABLED")  # fmt: skip
    web_metrics_enabled: bool = _s(False, p.boolean, "serve `/metrics`, which Prometheus reads",
                                   env="APP_WEB_METRICS_ENABLED")  # fmt: skip
    web_bind: str = _s("127.0.0.1", p.text, "the address to listen on; 0.0.0.0 opens it to all")
    web_host: str = _s(None, p.text, "under which others reach this worker; as `web_bind`, the host's name for 0.0.0.0")
    web_port: int = _s(6066, p.port, "where to listen; 0, or 6066 unless it is set and free, means any free port",
                       also=("FAUST_WEB_PORT", "F_WEB_PORT"))  # fmt: skip
    web_token: str | None = _s(None, p.token, "callers show it as `Authorization: Bearer …`; the same for all workers",
                               env="APP_WEB_TOKEN", secret=True)  # fmt: skip
    web_max_requests: int = _s(200, _int1, "requests at the same time; more are refused", env="APP_WEB_MAX_REQUESTS")
    web_request_timeout: float = _s(60.0, _pos_sec, "until a page must have answered", env="APP_WEB_REQUEST_TIMEOUT")
    web_in_thread: bool = _s(False, p.boolean, "HTTP is served on the worker's event loop", env=_NO_ENV, effect=False)
    web_ssl_context: Any = _s(None, p.ssl_context, "an ssl.SSLContext: serve HTTPS", env=_NO_ENV)
    web_ca_file: Path | None = _s(None, p.directory, "whose certificates other workers may have, beside those that "
                                  "the system trusts", env="APP_WEB_CA_FILE")  # fmt: skip
    web_transport: str = _s("tcp://", p.web_transport, "or unix:///path/to/socket, instead of address and port",
                            env=_NO_ENV, also=("FAUST_WEB_TRANSPORT", "F_WEB_TRANSPORT"))  # fmt: skip
    canonical_url: str = _s(None, p.url, "the whole address under which others reach this worker; "
                            "http://{web_host}:{port}", env="NODE_CANONICAL_URL")  # fmt: skip
    query_timeout: float = _s(10.0, _pos_sec, "for a question to a table, tries while its owner moves included",
                              env="APP_QUERY_TIMEOUT")  # fmt: skip

    # Worker
    worker_redirect_stdouts: bool = _s(False, p.boolean, "what is printed goes to the log")
    worker_redirect_stdouts_level: Any = _s("WARN", _obj, "at this level")

    # Classes that the original lets one replace
    Agent: Any = _s(None, p.class_or_path, "a subclass of faust.Agent, or where it is", env=_NO_ENV)
    Event: Any = _s(None, _obj, env=_NO_ENV, effect=False)
    Schema: Any = _s(None, p.class_or_path, "the class of the schema of topics that have none", env=_NO_ENV)
    Stream: Any = _s(None, _obj, env=_NO_ENV, effect=False)
    Table: Any = _s(None, p.class_or_path, "a subclass of faust.Table, or where it is", env=_NO_ENV)
    SetTable: Any = _s(None, p.class_or_path, "a subclass of faust.SetTable, or where it is", env=_NO_ENV)
    GlobalTable: Any = _s(None, p.class_or_path, "a subclass of faust.GlobalTable, or where it is", env=_NO_ENV)
    SetGlobalTable: Any = _s(None, p.class_or_path, "a subclass of faust.SetGlobalTable, or where it is", env=_NO_ENV)
    TableManager: Any = _s(None, _obj, env=_NO_ENV, effect=False)
    Serializers: Any = _s(None, p.class_or_path, "what `app.serializers` is", env=_NO_ENV)
    Worker: Any = _s(None, p.class_or_path, "what `app.Worker()` makes", env=_NO_ENV)
    PartitionAssignor: Any = _s(None, _obj, env=_NO_ENV, effect=False)
    LeaderAssignor: Any = _s(None, _obj, env=_NO_ENV, effect=False)
    Router: Any = _s(None, _obj, env=_NO_ENV, effect=False)
    Topic: Any = _s(None, p.class_or_path, "a subclass of faust.Topic, or where it is", env=_NO_ENV)
    HttpClient: Any = _s(None, _obj, env=_NO_ENV, effect=False)
    Monitor: Any = _s(None, _obj, "the class of `app.monitor`, or its path: `package.module:Class`", env=_NO_ENV)

    @property
    def id(self) -> str:
        """The consumer group, and the beginning of the names of topics: the name, from version 2 on by `id_format`."""
        return self.id_format.format(id=self.name, self=self) if self.version > 1 else self.name

    @id.setter  # noqa: A003  the name that applications use
    def id(self, name: str) -> None:
        self._become(self._made(_app_id(name), self.given, self.explicit, self.reply_to))

    def web_context(self) -> WebContext:
        """Return what the web server needs to know."""
        return WebContext(
            bind=self.web_bind,
            port=self.web_port,
            any_port="web_port" not in self.explicit,
            host=self.web_host,
            canonical_url=self.canonical_url if "canonical_url" in self.explicit else None,
            token=self.web_token,
            ssl_context=self.web_ssl_context,
            tables=self.web_tables_enabled,
            max_requests=self.web_max_requests,
            debug=self.debug,
            stats=self.web_stats_enabled,
            router=self.web_router_enabled,
            cors=self.web_cors_options,
            unix_path=self.web_transport.removeprefix("unix://") if self.web_transport.startswith("unix:") else None,
            ca_file=None if self.web_ca_file is None else str(self.web_ca_file),
            request_timeout_s=self.web_request_timeout,
            route_timeout_s=self.query_timeout,
        )

    @property
    def exactly_once(self) -> bool:
        return self.processing_guarantee is ProcessingGuarantee.EXACTLY_ONCE

    @classmethod
    def from_options(cls, id: str, options: Mapping[str, Any], environ: Mapping[str, str] = os.environ) -> Settings:  # noqa: A002
        """Find the value of every setting.

        An option of None, and a variable that is empty (but for true or false), count as not given.

        Raises:
            UnknownSetting: an option that does not exist; the message offers the closest name.
            ConfigError: a value that a setting cannot have; the message says which, from where, and what it may be.
        """
        values = gather(_SETTINGS, options, environ)
        return cls._made(_app_id(id), values, frozenset(values))

    @classmethod
    def _made(
        cls, name: str, given: Mapping[str, Any], explicit: frozenset[str], reply_to: str | None = None
    ) -> Settings:
        settings = cls(
            name=name,
            explicit=explicit,
            ignored=tuple(name for name, f in _SETTINGS.items() if name in explicit and not f.metadata["effect"]),
            given=given,
            **given,
        )
        settings._derive(reply_to)
        settings._check()
        return settings

    def with_options(self, *, quietly: bool = False, **options: Any) -> Settings:
        """Return the same settings but for these; the environment is not asked.

        Args:
            quietly: they count as defaults of their own, not as given.

        Raises:
            UnknownSetting: an option that does not exist.
            ConfigError: a value that a setting cannot have.
        """
        values = gather(_SETTINGS, options, {})
        dropped = {name for name, value in options.items() if value is None}
        given = {name: value for name, value in self.given.items() if name not in dropped} | values
        explicit = self.explicit - dropped
        kept = self.reply_to if "reply_to_prefix" not in values else None
        made = self._made(self.name, given, explicit if quietly else explicit | values.keys(), kept)
        made.__dict__["_readers"].update(self.__dict__["_readers"])
        return made

    # -- changing them in place

    def __post_init__(self) -> None:
        self.__dict__.update(_ready=True, _readers={}, _in_use="")

    def __setattr__(self, name: str, value: Any) -> None:
        if "_ready" not in self.__dict__:  # by __init__
            object.__setattr__(self, name, value)
            return
        if name != "id" and name not in _SETTINGS and name not in ALIASES:
            raise unknown(name, _SETTINGS)
        reader = self.__dict__["_in_use"] or self.__dict__["_readers"].get(name)
        if reader:
            warnings.warn(
                f"setting {name} is changed after {reader} has read it, and keeps what it has read: assign settings "
                "before anything is declared, or in a handler of app.on_configured",
                AlreadyConfiguredWarning,
                stacklevel=2,
            )
        if name == "id":
            object.__setattr__(self, name, value)
        else:
            self._become(self.with_options(**{name: value}))

    def update(self, options: Mapping[str, Any], environ: Mapping[str, str] = os.environ) -> None:
        """Change several settings in place, as if they had been arguments: the environment wins.

        Raises:
            UnknownSetting, ConfigError: as for `from_options`; nothing is changed then.
        """
        values = gather(_SETTINGS, {"env_prefix": self.env_prefix or None, **options}, environ)
        self._become(self.with_options(**values))

    def change(self, *, quietly: bool = False, **options: Any) -> None:
        """Change settings in place, as `with_options` does in a copy; it never warns.

        Raises:
            UnknownSetting, ConfigError: as for `with_options`; nothing is changed then.
        """
        self._become(self.with_options(quietly=quietly, **options))

    def _become(self, other: Settings) -> None:
        mine = {name: self.__dict__[name] for name in ("_readers", "_in_use")}
        self.__dict__.update(other.__dict__ | mine)

    def was_read_by(self, reader: str, *names: str) -> None:
        """Something keeps the values of these settings; changing them from now on warns."""
        self.__dict__["_readers"].update(dict.fromkeys(names, reader))

    def in_use_by(self, reader: str) -> None:
        """Something reads all of them; an empty text ends that."""
        self.__dict__["_in_use"] = reader

    def _derive(self, reply_to: str | None = None) -> None:
        """Set what follows from other settings."""

        default = self._default
        try:
            app_id = self.id
        except (KeyError, AttributeError, IndexError, ValueError) as exc:
            raise ConfigError(f"setting id_format = {self.id_format!r}: use {{id}} and {{self.version}}") from exc
        if "datadir" in self.given:
            named = str(self.datadir).replace("{conf.name}", self.name).replace("{conf.id}", app_id)
            object.__setattr__(self, "datadir", Path(named))
        default("datadir", Path(f"{self.name}-data"))
        tables = self.tabledir if "tabledir" in self.given else Path("tables")
        object.__setattr__(self, "tabledir", self.datadir / f"v{self.version}" / tables)
        if self.ssl_context is not None and not (self.broker_credentials is not None and self.broker_credentials.tls):
            object.__setattr__(self, "broker_credentials", with_tls(self.broker_credentials, self.ssl_context))
        default("dead_letter_topic", f"{app_id}-dead-letter")
        default("broker_consumer", self.broker)
        default("broker_producer", self.broker)
        if self.exactly_once:
            default("broker_commit_interval", 0.1)
        default("reply_to", reply_to or f"{self.reply_to_prefix}{uuid.uuid4()}")
        default("web_stats_enabled", self.debug)
        default("web_graph_enabled", self.debug)
        self._derive_web()

    def _default(self, setting: str, value: Any) -> None:
        if setting not in self.given:
            object.__setattr__(self, setting, value)

    def _derive_web(self) -> None:
        """Set under which address others reach this worker."""
        everywhere = self.web_bind in {"0.0.0.0", "::", "*"}  # noqa: S104  it is what others set
        self._default("web_host", socket.gethostname() if everywhere else self.web_bind)
        host = f"[{self.web_host}]" if ":" in self.web_host else self.web_host
        self._default(
            "canonical_url", f"{'http' if self.web_ssl_context is None else 'https'}://{host}:{self.web_port}"
        )

    def _check(self) -> None:
        """Raise `ConfigError` for settings that do not go together."""
        if self.broker_session_timeout > self.broker_request_timeout:
            raise ConfigError(
                f"broker_session_timeout ({self.broker_session_timeout:g} s) must not be longer than "
                f"broker_request_timeout ({self.broker_request_timeout:g} s)"
            )
        if self.broker_heartbeat_interval >= self.broker_session_timeout:
            raise ConfigError(
                f"broker_heartbeat_interval ({self.broker_heartbeat_interval:g} s) must be shorter than "
                f"broker_session_timeout ({self.broker_session_timeout:g} s): a third of it is usual"
            )
        if self.exactly_once and self.producer_acks != -1:
            raise ConfigError(f"processing_guarantee=exactly_once needs producer_acks=all, not {self.producer_acks}")
        if self.exactly_once and self.broker_commit_interval >= self.transaction_timeout:
            raise ConfigError(
                f"broker_commit_interval ({self.broker_commit_interval:g} s) must be shorter than "
                f"transaction_timeout ({self.transaction_timeout:g} s) under processing_guarantee=exactly_once"
            )

    def __repr__(self) -> str:
        return f"<Settings of {self.name}: {', '.join(sorted(self.explicit)) or 'defaults'}>"


def _app_id(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ConfigError(f"an application's id is text that is not empty, not {value!r}")
    return value


def seconds(name: str, value: float | str | timedelta) -> float:
    """Return a duration in seconds.

    Raises:
        ConfigError: it is none; names the parameter.
    """
    try:
        return _sec(value)  # type: ignore[no-any-return]  # parsers return what their setting holds
    except ValueError as exc:
        raise ConfigError(f"{name} = {value!r} is not possible: give {exc}") from None


_SETTINGS: Final = {f.name: f for f in fields(Settings) if "parse" in f.metadata}
SETTING_NAMES: Final = tuple(_SETTINGS)
