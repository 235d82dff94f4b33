"""Options come from the URL and the application, and a wrong one is named."""

from __future__ import annotations

import pytest

from faust_core.errors import ConfigError
from faust_core.protocols.store import StoreContext
from faust_store_redis import RedisOptions, create
from faust_store_redis.scan import View


def test_our_options_are_taken_out_of_the_url_and_the_rest_is_left() -> None:
    options = RedisOptions.parse(
        "redis://host:7000/2?retry_timeout_s=5&health_check_interval=3", {"max_connections": 2}
    )
    assert options == RedisOptions(
        "redis://host:7000/2?health_check_interval=3", retry_timeout_s=5.0, max_connections=2
    )


@pytest.mark.parametrize(
    ("url", "options", "message"),
    [
        ("redis://host", {"retry_timeout": 5}, "did you mean retry_timeout_s"),
        ("redis://host?retry_timeout_s=soon", {}, "must be a number"),
        ("redis://host?retry_timeout_s=0", {}, "above zero"),
        ("redis://host:port", {}, "port"),
        ("redis://host?retry_for_s=1", {}, "retry_for_s"),
    ],
)
def test_a_wrong_option_is_a_config_error(url: str, options: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        create(url, StoreContext("app-v1", options=options))


def test_making_a_backend_connects_to_nothing() -> None:
    create("redis://127.0.0.1:1/0", StoreContext("app-v1")).close()


def test_a_view_forgets_what_it_has_passed() -> None:
    view = View(b"b", b"x")
    view.remember({b"a": b"before the range", b"c": b"old", b"m": None, b"x": b"behind the range"})
    assert view.as_it_was([(b"c", b"new"), (b"f", b"1")], last=False) == [(b"c", b"old"), (b"f", b"1")]
    view.remember({b"c": b"new", b"f": b"1", b"g": b"2"})
    assert view.lower_bound == b"(f"
    assert view.as_it_was([(b"m", b"new"), (b"n", b"3")], last=True) == [(b"g", b"2"), (b"n", b"3")]
