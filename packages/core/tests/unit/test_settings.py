from __future__ import annotations

import datetime as dt
import socket
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faust_core.errors import ConfigError, UnknownSetting
from faust_core.settings import ProcessingGuarantee, Settings, seconds

#: What applications written for the original may set.
NAMES = [
    "autodiscover",
    "datadir",
    "tabledir",
    "debug",
    "env_prefix",
    "id_format",
    "origin",
    "timezone",
    "version",
    "cython_optimizations",
    "blocking_timeout",
    "broker",
    "broker_credentials",
    "ssl_context",
    "logging_config",
    "loghandlers",
    "processing_guarantee",
    "store",
    "cache",
    "url",
    "agent_supervisor",
    "broker_consumer",
    "broker_producer",
    "broker_api_version",
    "broker_check_crcs",
    "broker_client_id",
    "broker_commit_every",
    "broker_commit_interval",
    "broker_commit_livelock_soft_timeout",
    "broker_heartbeat_interval",
    "broker_max_poll_interval",
    "broker_max_poll_records",
    "broker_rebalance_timeout",
    "broker_request_timeout",
    "broker_session_timeout",
    "consumer_api_version",
    "consumer_max_fetch_size",
    "consumer_auto_offset_reset",
    "consumer_group_instance_id",
    "consumer_metadata_max_age_ms",
    "consumer_connections_max_idle_ms",
    "ConsumerScheduler",
    "key_serializer",
    "value_serializer",
    "producer_acks",
    "producer_api_version",
    "producer_compression_type",
    "producer_linger",
    "producer_linger_ms",
    "producer_max_batch_size",
    "producer_max_request_size",
    "producer_partitioner",
    "producer_request_timeout",
    "producer_threaded",
    "producer_metadata_max_age_ms",
    "producer_connections_max_idle_ms",
    "reply_create_topic",
    "reply_expires",
    "reply_to",
    "reply_to_prefix",
    "stream_buffer_maxsize",
    "stream_processing_timeout",
    "stream_publish_on_commit",
    "stream_recovery_delay",
    "stream_wait_empty",
    "recovery_consistency_check",
    "store_check_exists",
    "crash_app_on_aerospike_exception",
    "aerospike_retries_on_exception",
    "aerospike_sleep_seconds_between_retries_on_exception",
    "stream_ack_cancelled_tasks",
    "stream_ack_exceptions",
    "table_cleanup_interval",
    "table_key_index_size",
    "table_standby_replicas",
    "topic_allow_declare",
    "topic_disable_leader",
    "topic_partitions",
    "topic_replication_factor",
    "web",
    "web_application_options",
    "web_cors_options",
    "web_enabled",
    "web_stats_enabled",
    "web_graph_enabled",
    "web_router_enabled",
    "web_tables_enabled",
    "web_metrics_enabled",
    "web_bind",
    "web_host",
    "web_port",
    "web_in_thread",
    "web_ssl_context",
    "web_transport",
    "canonical_url",
    "worker_redirect_stdouts",
    "worker_redirect_stdouts_level",
    "Agent",
    "Event",
    "Schema",
    "Stream",
    "Table",
    "SetTable",
    "GlobalTable",
    "SetGlobalTable",
    "TableManager",
    "Serializers",
    "Worker",
    "PartitionAssignor",
    "LeaderAssignor",
    "Router",
    "Topic",
    "HttpClient",
    "Monitor",
]


def make(environ: dict[str, str] | None = None, **options: Any) -> Settings:
    return Settings.from_options("shop", options, environ or {})


def test_every_setting_of_the_original_is_known() -> None:
    assert len(NAMES) == 114
    for name in NAMES:
        if name not in ("url", "producer_linger_ms"):
            make(**{name: None})


@pytest.mark.parametrize(
    ("name", "default"),
    [
        ("broker", ("kafka://localhost:9092",)),
        ("broker_consumer", ("kafka://localhost:9092",)),
        ("broker_commit_interval", 2.8),
        ("broker_commit_every", 1_000_000),
        ("broker_session_timeout", 60.0),
        ("processing_guarantee", ProcessingGuarantee.AT_LEAST_ONCE),
        ("store", "memory://"),
        ("datadir", Path("shop-data")),
        ("tabledir", Path("shop-data/v1/tables")),
        ("key_serializer", "raw"),
        ("value_serializer", "json"),
        ("table_standby_replicas", 1),
        ("topic_partitions", 8),
        ("web_bind", "127.0.0.1"),
        ("web_port", 6066),
        ("web_enabled", True),
        ("worker_redirect_stdouts", False),
        ("on_error", "dead_letter"),
        ("on_decode_error", "dead_letter"),
        ("dead_letter_topic", "shop-dead-letter"),
        ("stuck_agent_policy", "report"),
        ("consumer_max_buffered_bytes", 33_554_432),
        ("consumer_options", {}),
        ("timezone", dt.UTC),
        ("reply_expires", 86_400.0),
        ("probing_interval", 600.0),
    ],
)
def test_defaults(name: str, default: Any) -> None:
    settings = make()
    assert getattr(settings, name) == default
    assert name not in settings.explicit


@pytest.mark.parametrize(
    ("name", "given", "expected"),
    [
        ("broker_commit_interval", 5, 5.0),
        ("broker_commit_interval", "0.25", 0.25),
        ("broker_commit_interval", dt.timedelta(minutes=1), 60.0),
        ("blocking_timeout", "10", 10.0),
        ("debug", "yes", True),
        ("web_enabled", "off", False),
        ("web_enabled", 0, False),
        ("topic_partitions", "16", 16),
        ("topic_partitions", 4.0, 4),
        ("processing_guarantee", "exactly_once", ProcessingGuarantee.EXACTLY_ONCE),
        ("processing_guarantee", ProcessingGuarantee.EXACTLY_ONCE, ProcessingGuarantee.EXACTLY_ONCE),
        ("broker", "kafka://a:1;kafka://b:2", ("kafka://a:1", "kafka://b:2")),
        ("broker", "aiokafka://a:1;b:2", ("aiokafka://a:1", "aiokafka://b:2")),
        ("broker", ["kafka://a", "b"], ("kafka://a", "kafka://b")),
        ("broker", "localhost:9092", ("kafka://localhost:9092",)),
        ("timezone", "Europe/Berlin", ZoneInfo("Europe/Berlin")),
        ("timezone", "utc", dt.UTC),
        ("timezone", ZoneInfo("Asia/Tokyo"), ZoneInfo("Asia/Tokyo")),
        ("datadir", Path("/data"), Path("/data")),
        ("datadir", "{conf.name}-x", Path("shop-x")),
        ("producer_acks", "all", -1),
        ("producer_acks", 1, 1),
        ("producer_compression_type", "GZIP", "gzip"),
        ("on_error", "retry", "retry"),
        ("web_host", Path("worker-1"), "worker-1"),
        ("canonical_url", "https://faust.example:1/w1/", "https://faust.example:1/w1"),
        ("web_token", "aZ09._~+/=-", "aZ09._~+/=-"),
        ("loghandlers", [1], (1,)),
        ("consumer_options", {"a": 1}, {"a": 1}),
        ("worker_redirect_stdouts_level", "INFO", "INFO"),
    ],
)
def test_a_value_may_be_given_in_several_ways(name: str, given: Any, expected: Any) -> None:
    settings = make(**{name: given})
    assert getattr(settings, name) == expected
    assert name in settings.explicit


@pytest.mark.parametrize(
    ("name", "given", "allowed"),
    [
        ("broker_commit_interval", "soon", "seconds"),
        ("broker_commit_interval", 0, "> 0"),
        ("broker_commit_interval", True, "seconds"),
        ("producer_linger", -1, ">= 0"),
        ("producer_linger", float("nan"), "seconds"),
        ("debug", "perhaps", "true, yes, on, 1"),
        ("debug", 2, "true, yes, on, 1"),
        ("topic_partitions", 0, "whole number >= 1"),
        ("topic_partitions", 1.5, "whole number"),
        ("topic_partitions", True, "whole number"),
        ("web_port", 70_000, "from 0 to 65535"),
        ("canonical_url", "worker-1:6066", "a URL such as"),
        ("canonical_url", "http://", "a URL such as"),
        ("canonical_url", "ftp://a", "a URL such as"),
        ("canonical_url", "http://a?b=c", "a URL such as"),
        ("canonical_url", "http://a:99999", "a URL such as"),
        ("web_ssl_context", True, "an ssl.SSLContext"),
        ("query_timeout", 0, "> 0"),
        ("web_max_requests", 0, ">= 1"),
        ("processing_guarantee", "at_most_once", "at_least_once, exactly_once"),
        ("on_error", "ignore", "dead_letter, retry, skip, crash"),
        ("on_decode_error", "crash", "dead_letter, skip, raise"),
        ("stuck_agent_policy", "kill", "report, give_up"),
        ("broker", "", "kafka://localhost:9092"),
        ("broker", "kafka://a;memory://b", "one scheme"),
        ("timezone", "Europe/Atlantis", "Europe/Berlin"),
        ("timezone", 3, "Europe/Berlin"),
        ("producer_acks", 2, "all"),
        ("producer_acks", True, "all"),
        ("datadir", 5, "path"),
        ("store", 5, "text"),
        ("consumer_options", "a=1", "dict"),
        ("loghandlers", "a", "list"),
        ("ssl_context", "yes", "an ssl.SSLContext"),
        ("producer_compression_type", "rar", "gzip"),
    ],
)
def test_a_wrong_value_is_an_error_that_names_setting_value_source_and_what_is_allowed(
    name: str, given: Any, allowed: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        make(**{name: given})
    message = str(caught.value)
    for part in (name, repr(given), f"from argument {name}", allowed):
        assert part in message


def test_an_unknown_setting_is_an_error_that_offers_the_closest_name() -> None:
    with pytest.raises(
        UnknownSetting, match=r"no setting 'broker_comit_interval': did you mean 'broker_commit_interval'"
    ):
        make(broker_comit_interval=1)
    with pytest.raises(UnknownSetting, match="no setting 'zzzz'"):
        make(zzzz=1)
    with pytest.raises(TypeError):
        make(zzzz=1)


def test_the_environment_wins_over_the_argument() -> None:
    settings = make({"BROKER_URL": "kafka://env:1", "TOPIC_PARTITIONS": "3"}, broker="kafka://arg:1")
    assert settings.broker == ("kafka://env:1",)
    assert settings.topic_partitions == 3
    assert {"broker", "topic_partitions"} <= settings.explicit


def test_a_wrong_value_of_the_environment_names_the_variable() -> None:
    with pytest.raises(ConfigError, match="from environment variable MY_APP_VERSION"):
        make({"MY_APP_VERSION": "two"}, env_prefix="MY_")


def test_with_a_prefix_only_variables_with_it_count() -> None:
    environ = {"BROKER_URL": "kafka://other:1", "SHOP_BROKER_URL": "kafka://own:1"}
    assert make(environ, env_prefix="SHOP_").broker == ("kafka://own:1",)
    assert make({**environ, "APP_ENV_PREFIX": "SHOP_"}).broker == ("kafka://own:1",)


@pytest.mark.parametrize("variable", ["APP_DATADIR", "FAUST_DATADIR", "F_DATADIR"])
def test_the_data_directory_may_come_from_three_variables(variable: str) -> None:
    settings = make({variable: "/var/faust"})
    assert settings.datadir == Path("/var/faust")
    assert "datadir" in settings.explicit


def test_an_empty_variable_is_not_set_but_means_false_for_a_switch() -> None:
    settings = make({"BROKER_URL": "", "APP_WEB_ENABLED": ""})
    assert "broker" not in settings.explicit
    assert settings.web_enabled is False


def test_some_settings_take_no_variable() -> None:
    assert make({"REPLY_TO": "x", "AUTODISCOVER": "1", "LOGHANDLERS": "x"}).explicit == frozenset()


def test_none_means_not_given() -> None:
    settings = make(broker=None, topic_partitions=None)
    assert settings.broker == ("kafka://localhost:9092",)
    assert not settings.explicit


@pytest.mark.parametrize(
    ("old", "value", "new", "expected"),
    [
        ("client_id", "x", "broker_client_id", "x"),
        ("commit_interval", 3, "broker_commit_interval", 3.0),
        ("create_reply_topic", True, "reply_create_topic", True),
        ("num_standby_replicas", 2, "table_standby_replicas", 2),
        ("default_partitions", 4, "topic_partitions", 4),
        ("replication_factor", 3, "topic_replication_factor", 3),
        ("url", "kafka://x", "broker", ("kafka://x",)),
        ("producer_linger_ms", 20, "producer_linger", 0.02),
    ],
)
def test_an_old_name_works_and_warns(old: str, value: Any, new: str, expected: Any) -> None:
    with pytest.warns(DeprecationWarning, match=f"{old} is now called {new}"):
        assert getattr(make(**{old: value}), new) == expected


def test_the_new_name_wins_over_the_old_one() -> None:
    with pytest.warns(DeprecationWarning, match="commit_interval"):
        assert make(commit_interval=1, broker_commit_interval=2).broker_commit_interval == 2.0


def test_a_wrong_value_under_an_old_name_is_an_error_that_names_it() -> None:
    with (
        pytest.warns(DeprecationWarning, match="producer_linger_ms"),
        pytest.raises(ConfigError, match="producer_linger_ms"),
    ):
        make(producer_linger_ms="x")


def test_settings_without_effect_are_recorded_only_when_given() -> None:
    assert make().ignored == ()
    given = {"stream_wait_empty": False, "Router": object, "rack": "a"}
    assert make(**given).ignored == ("stream_wait_empty", "Router")


def test_the_version_is_part_of_the_id_from_two_on() -> None:
    assert make(version=1).id == "shop"
    settings = make(version=2)
    assert settings.id == "shop-v2"
    assert settings.name == "shop"
    assert settings.datadir == Path("shop-data")
    assert settings.tabledir == Path("shop-data/v2/tables")
    assert settings.dead_letter_topic == "shop-v2-dead-letter"
    assert make(version=3, id_format="{id}@{self.version}").id == "shop@3"


def test_a_wrong_id_format_or_id_is_an_error() -> None:
    with pytest.raises(ConfigError, match="id_format"):
        make(version=2, id_format="{name}")
    with pytest.raises(ConfigError, match="id"):
        Settings.from_options("", {}, {})


def test_what_follows_from_other_settings() -> None:
    settings = make(debug=True, web_host="h", web_port=1, reply_to_prefix="r-", tabledir="/t", broker="kafka://b")
    assert settings.canonical_url == "http://h:1"
    assert settings.web_stats_enabled
    assert settings.reply_to.startswith("r-")
    assert settings.reply_to != make().reply_to
    assert settings.tabledir == Path("/t")
    assert settings.broker_producer == ("kafka://b",)
    assert not make(debug=True, web_graph_enabled=False).web_graph_enabled


def test_exactly_once_commits_every_tenth_of_a_second_unless_told_otherwise() -> None:
    assert make(processing_guarantee="exactly_once").broker_commit_interval == 0.1
    assert make(processing_guarantee="exactly_once", broker_commit_interval=1).broker_commit_interval == 1.0
    assert make(processing_guarantee="exactly_once").exactly_once
    assert not make().exactly_once


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"broker_session_timeout": 100}, "broker_request_timeout"),
        ({"broker_heartbeat_interval": 60}, "broker_session_timeout"),
        ({"processing_guarantee": "exactly_once", "producer_acks": 1}, "producer_acks"),
        ({"processing_guarantee": "exactly_once", "broker_commit_interval": 60}, "transaction_timeout"),
    ],
)
def test_settings_that_do_not_go_together_are_an_error_that_names_both(options: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigError, match=named) as caught:
        make(**options)
    assert all(name in str(caught.value) for name in options)


def test_the_address_for_others_follows_from_where_a_worker_listens() -> None:
    assert make().canonical_url == "http://127.0.0.1:6066"
    assert make(web_bind="0.0.0.0").web_host == socket.gethostname()
    assert make(web_bind="::1", web_port=1).canonical_url == "http://[::1]:1"
    assert make(web_bind="10.0.0.1").web_context().host == "10.0.0.1"
    assert make().web_context().canonical_url is None
    assert make(canonical_url="http://a/b").web_context().canonical_url == "http://a/b"
    assert make().web_context().any_port
    assert not make(web_port=6066).web_context().any_port


def test_settings_of_http_can_be_changed_later() -> None:
    settings = make(datadir="/d", web_bind="10.0.0.1")
    changed = settings.with_options(web_port="80")
    assert (changed.canonical_url, changed.web_port, changed.datadir) == ("http://10.0.0.1:80", 80, Path("/d"))
    assert changed.reply_to == settings.reply_to
    assert {"web_port", "web_bind", "datadir"} <= changed.explicit
    with pytest.raises(ConfigError, match="from 0 to 65535"):
        settings.with_options(web_port=-1)


def test_no_secret_appears_in_errors_or_repr() -> None:
    with pytest.raises(ConfigError) as refused:
        make(web_token="two secrets")
    assert "two secrets" not in str(refused.value)
    assert "without spaces" in str(refused.value)
    with pytest.raises(ConfigError) as refused:
        make(canonical_url="http://me:secret@a")
    assert "secret" not in str(refused.value)
    assert "s3cret" not in repr(make(web_token="s3cret").web_context()) + repr(make(web_token="s3cret"))
    with pytest.raises(ConfigError) as caught:
        make(broker="kafka://user:secret@a;memory://b", broker_credentials=None)
    assert "secret" not in str(caught.value)
    with pytest.raises(ConfigError) as caught:
        make(broker_credentials="secret")
    assert "secret" not in str(caught.value)
    assert "secret" not in repr(make(broker="kafka://user:secret@a", consumer_options={"password": "secret"}))


@given(st.floats(0, 1e9) | st.integers(0, 10**9) | st.timedeltas(dt.timedelta(), dt.timedelta(days=10_000)))
def test_every_duration_is_taken_as_seconds(value: float | dt.timedelta) -> None:
    expected = value.total_seconds() if isinstance(value, dt.timedelta) else float(value)
    assert seconds("interval", value) == expected


def test_a_wrong_duration_names_the_parameter() -> None:
    with pytest.raises(ConfigError, match="interval = 'x'"):
        seconds("interval", "x")
