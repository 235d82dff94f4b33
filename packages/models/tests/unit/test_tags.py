"""Secrets: on the wire as they are, never in sight."""

import copy
import logging
import pickle
from typing import Optional

import pytest

from faust_core.errors import DecodeError
from faust_models import Record, SecurityError, ValidationError, codecs
from faust_models.fields import IntegerField, StringField
from faust_models.tags import Personal, Secret, Sensitive


class Account(Record, namespace="t.Account"):
    name: str
    password: Secret[str]
    card: Optional[Sensitive[int]] = None  # noqa: UP045 - the older spelling works too
    phones: list[Personal[str]] = []  # noqa: RUF012 - made anew for every record
    token: str = StringField(tag=Secret, default="t0ken", min_length=3)


class Strict(Record, validation=True, coerce=True):
    pin: Secret[int] = IntegerField(min_value=1000)


def account() -> Account:
    return Account("Ann", Secret("hunter2"), Sensitive(4711), [Personal("555")])


def test_tagged_values_are_written_in_the_clear_and_read_as_tagged() -> None:
    data = (
        b'{"name":"Ann","password":"hunter2","card":4711,"phones":["555"],"token":"t0ken","__faust":{"ns":"t.Account"}}'
    )
    assert account().dumps() == data
    assert codecs.json(Account).fast_encode(account()) == data
    assert codecs.json().encode([account()]) == b"[" + data + b"]"
    for serializer in ("json", "msgpack"):
        assert Account.loads(account().dumps(serializer=serializer), serializer=serializer) == account()
    assert account().is_valid()


def test_plain_values_are_tagged_by_the_constructor() -> None:
    made = Account("Ann", "hunter2", 4711)  # type: ignore[arg-type] # as the original allows
    assert made.password == Secret("hunter2")
    assert made.card is not None
    assert made.card.get_value() == 4711


def test_nothing_secret_is_ever_shown(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        logging.getLogger("shop").info("%s %r %s", account(), account(), account().asdict())
    shown = (
        caplog.text
        + repr(account().to_representation())
        + f"{account().password}"
        + repr(list(account().__rich_repr__()))
    )
    for secret in ("hunter2", "4711", "555", "t0ken"):
        assert secret not in shown
    assert "password=<Secret: ***>" in shown


def test_secret_is_printed_as_asterisks_and_the_others_are_an_error() -> None:
    assert str(Secret("x")) == "***********"
    assert f"{Secret('x'):>12}" == " ***********"
    for tagged in (Sensitive("x"), Personal("x")):
        with pytest.raises(SecurityError, match="cannot be shown"):
            str(tagged)
        with pytest.raises(SecurityError, match="cannot be shown"):
            f"{tagged}"


def test_errors_do_not_show_values() -> None:
    with pytest.raises(DecodeError) as caught:
        Account.loads(b'{"name":"Ann","password":4711,"card":"hunter2","phones":[555]}')
    assert caught.value.reason == (
        "json: Expected `str`, got `int` - at `$.password`; Expected `int`, got `str` - at `$.card`; "
        "Expected `str`, got `int` - at `$.phones[0]`"
    )
    cause = caught.value.__cause__
    assert isinstance(cause, ValidationError)
    assert [error.value for error in cause.errors] == [None, None, None]
    with pytest.raises(ValidationError, match=r"^Strict\.pin: must be at least 1000$"):
        Strict(Secret(12))
    with pytest.raises(ValidationError, match=r"^Strict\.pin: Expected `int`, got `str`$"):
        Strict("hunter2")  # type: ignore[arg-type] # wrong on purpose


def test_what_is_inside_is_coerced_and_checked() -> None:
    assert Strict("1234") == Strict(Secret(1234))  # type: ignore[arg-type] # coerced
    assert [e.field for e in Account("a", Secret(5)).validate()] == ["Account.password"]  # type: ignore[arg-type]
    assert [e.reason for e in account().derive(token=Secret("x")).validate()] == ["must be at least 3 long"]


def test_options_know_the_tagged_fields() -> None:
    options = Account._options
    assert options.tagged_fields == {"password", "card", "phones", "token"}
    assert options.secret_fields == {"password", "token"}
    assert options.sensitive_fields == {"card", "phones"}
    assert options.personal_fields == {"phones"}


def test_tagged_values_compare_hash_and_copy() -> None:
    assert Secret(1) == Secret(1) != Secret(2)
    assert Secret(1) != Sensitive(1)
    assert Secret(1) < Secret(2)
    assert len({Secret(1), Secret(1), Personal(1)}) == 2
    assert pickle.loads(pickle.dumps(account())) == copy.deepcopy(account()) == account()
    assert Secret(Secret("x")).get_value() == "x"
