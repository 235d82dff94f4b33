"""The module paths that applications of the original import, and what is behind their names."""

from __future__ import annotations

import importlib
import ssl
import subprocess
import sys

import pytest

import faust
import faust_core
from faust.exceptions import ConfigError, EncodeError, PluginMissing

#: What the original exports from its top.
TOP = (
    "Agent App Channel ChannelT Codec Event EventT GSSAPICredentials GlobalTable HoppingWindow ModelOptions "
    "OAuthCredentials Record SASLCredentials SSLCredentials Schema Service ServiceT SetGlobalTable SetTable Settings "
    "SlidingWindow Stream StreamT Table Topic TopicT TumblingWindow Window Worker current_event uuid VERSION "
    "version_info __version__"
)

#: What applications import from its modules.
MODULES = {
    "agents": "Agent AgentFun AgentT ReplyPromise current_agent",
    "app": "App BootStrategy",
    "app.base": "App BootStrategy",
    "auth": "Credentials GSSAPICredentials OAuthCredentials SASLCredentials SSLCredentials",
    "channels": "Channel ChannelT",
    "cli": "AppCommand Command argument call_command option",
    "events": "Event EventT current_event",
    "exceptions": "AlreadyConfiguredWarning ConsistencyError ConsumerNotStarted DecodeError FaustError FaustPredicate "
    "FaustWarning ImproperlyConfigured KeyDecodeError NotReady PartitionsMismatch ProducerSendError SameNode "
    "SecurityError Skip ValidationError ValueDecodeError",
    "fixups": "Fixup fixups_of",
    "fixups.django": "Fixup",
    "models": "FieldDescriptor Model ModelOptions Record ValidationError maybe_model registry",
    "models.base": "FieldDescriptor Model maybe_model registry",
    "models.fields": "BooleanField BytesField DatetimeField DecimalField FieldDescriptor FloatField IntegerField "
    "NumberField StringField",
    "models.record": "Record",
    "models.tags": "Personal Secret Sensitive",
    "serializers": "Codec Registry Schema",
    "serializers.codecs": "Codec dumps get_codec loads register",
    "serializers.registry": "Registry",
    "serializers.schemas": "Schema",
    "stores": "by_name by_url",
    "stores.base": "Store",
    "stores.memory": "Store",
    "stores.rocksdb": "Store",
    "streams": "Stream StreamT current_event",
    "tables": "Collection CollectionT GlobalTable SetGlobalTable SetTable Table TableT WindowSet WindowWrapper",
    "topics": "Topic TopicT",
    "transport": "Consumer Producer Transport",
    "transport.base": "Consumer Producer Transport",
    "transport.drivers": "by_name by_url",
    "types": "AgentT AppT ChannelT CodecArg CodecT CollectionT ConsumerMessage ConsumerT EventT FieldDescriptorT "
    "FutureMessage HeadersArg K Message ModelArg ModelT ProcessingGuarantee ProducerT RecordMetadata SchemaT ServiceT "
    "StoreT StreamT TP TableT TopicT TransportT V WindowT merge_headers",
    "types.agents": "ActorRefT AgentFun AgentT AgentTestWrapperT ReplyPromiseT SinkT",
    "types.app": "AppT BootStrategyT",
    "types.auth": "AuthProtocol CredentialsArg CredentialsT SASLMechanism to_credentials",
    "types.channels": "ChannelT",
    "types.codecs": "CodecArg CodecT",
    "types.core": "HeadersArg K OpenHeadersArg V merge_headers prepare_headers",
    "types.enums": "ProcessingGuarantee",
    "types.events": "EventT",
    "types.fixups": "FixupT",
    "types.models": "FieldDescriptorT ModelArg ModelOptions ModelT",
    "types.serializers": "RegistryT SchemaT",
    "types.services": "ServiceT",
    "types.settings": "Settings",
    "types.stores": "StoreT",
    "types.streams": "GroupByKeyArg JoinableT Processor StreamT",
    "types.tables": "CollectionT GlobalTableT RecoverCallback TableT WindowCloseCallback WindowSetT WindowWrapperT",
    "types.topics": "ChannelT TopicT",
    "types.transports": "ConsumerT ProducerT TransportT",
    "types.tuples": "ConsumerMessage FutureMessage Message MessageSentCallback RecordMetadata TP tp_set_to_map",
    "types.windows": "WindowRange WindowT",
    "utils": "uuid",
    "utils.iso8601": "parse",
    "utils.json": "dumps loads",
    "windows": "HoppingWindow SlidingWindow TumblingWindow Window",
    "worker": "Worker",
}

#: What is not here, and a word of what its import says.
POINTERS = [
    ("agents", "AgentManager", "app.agents"),
    ("assignor", "PartitionAssignor", "rack"),
    ("joins", "InnerJoin", "inner_join"),
    ("joins", "RightJoin", "left_join"),
    ("tables", "TableManager", "app.tables"),
    ("types.agents", "AgentManagerT", "app.agents"),
    ("types.assignor", "PartitionAssignorT", "rack"),
    ("types.joins", "JoinT", "stream.join"),
]


@pytest.mark.parametrize("name", TOP.split())
def test_the_top_has_the_names_of_the_original(name: str) -> None:
    assert getattr(faust, name) is not None
    assert name in faust.__all__


@pytest.mark.parametrize("module", MODULES)
def test_a_module_has_the_names_that_applications_import(module: str) -> None:
    found = importlib.import_module(f"faust.{module}")
    for name in MODULES[module].split():
        value = getattr(found, name)
        assert value is getattr(faust, name, value), f"{module}.{name} is another than faust.{name}"
        assert name in found.__all__
    assert len(found.__all__) == len(set(found.__all__))


@pytest.mark.parametrize("module", ["types", "app", "serializers", "utils", "worker"])  # the others bring no more in
def test_each_module_can_be_the_first_that_is_imported(module: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", f"import faust.{module}"], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("module", "name", "hint"), POINTERS)
def test_what_is_not_here_says_what_to_use(module: str, name: str, hint: str) -> None:
    found = importlib.import_module(f"faust.{module}")
    with pytest.raises(ImportError, match=hint):
        getattr(found, name)
    assert not hasattr(found, "__no_such_name__")


def test_headers_are_merged_into_a_dict_or_a_list() -> None:
    from faust.types.core import merge_headers, prepare_headers

    named = prepare_headers({"a": b"1"})
    merge_headers(named, {"a": "2", "b": None})
    assert named == {"a": b"2", "b": None}
    pairs = prepare_headers([("a", b"1")])
    merge_headers(pairs, {"a": "2"})
    assert pairs == [("a", b"1"), ("a", b"2")]
    assert prepare_headers(None) == []
    with pytest.raises(EncodeError, match="header 'a'"):
        merge_headers({}, {"a": 1})


def test_topic_partitions_are_sorted_by_topic() -> None:
    from faust.types.tuples import TP, tp_set_to_map

    assert tp_set_to_map({TP("a", 0), TP("a", 1), TP("b", 0)}) == {"a": {TP("a", 0), TP("a", 1)}, "b": {TP("b", 0)}}


def test_stores_and_transports_are_found_by_name_and_url() -> None:
    from faust import stores
    from faust.transport import drivers

    assert stores.by_name("memory") is stores.by_url("memory://x")
    assert drivers.by_name("memory") is drivers.by_url("memory://x")
    with pytest.raises(PluginMissing, match="no store for floppy"):
        stores.by_name("floppy")
    with pytest.raises(PluginMissing, match="no transport for pigeon"):
        drivers.by_url("pigeon://localhost")


def test_json_and_dates_are_read_and_written() -> None:
    from faust.utils import iso8601, json

    assert json.dumps({"a": [1]}) == '{"a":[1]}'
    assert json.loads("[1]") == json.loads(b"[1]") == [1]
    assert iso8601.parse("2020-01-02T03:04:05Z").isoformat() == "2020-01-02T03:04:05+00:00"


def test_credentials_are_what_they_are_or_made_of_a_context() -> None:
    from faust.types.auth import SASLMechanism, to_credentials

    credentials = faust.SASLCredentials(username="u", password="p", mechanism=SASLMechanism.SCRAM_SHA_512)
    assert credentials.mechanism == "SCRAM-SHA-512"
    assert to_credentials(credentials) is credentials
    assert to_credentials(None) is None
    context = ssl.create_default_context()
    found = to_credentials(context)
    assert isinstance(found, faust.SSLCredentials)
    assert found.ssl_context is context
    with pytest.raises(ConfigError, match="no credentials"):
        to_credentials("secret")  # type: ignore[arg-type]


def test_an_application_has_a_registry_or_one_of_its_own() -> None:
    from faust.serializers import Registry

    app = faust.App("shop")
    assert type(app.serializers) is Registry
    assert app.serializers is app.serializers
    assert app.serializers.dumps_value(None, {"a": 1}) == b'{"a":1}'

    class Own(Registry):
        pass

    assert type(faust_core.App("shop", Serializers=Own, value_serializer="raw").serializers) is Own
    assert faust_core.App("shop", Serializers=f"{__name__}:Registry2").conf.Serializers == f"{__name__}:Registry2"


def test_django_is_left_alone_where_nothing_names_its_settings(monkeypatch, caplog) -> None:
    from faust.fixups import django, fixups_of

    monkeypatch.delenv("DJANGO_SETTINGS_MODULE", raising=False)
    assert fixups_of(faust.App("shop")) == []
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "shop.settings")
    monkeypatch.setattr(django.importlib.util, "find_spec", lambda name: None)
    assert fixups_of(faust.App("shop")) == []
    assert "pip install django" in caplog.text


RECORDS = '''
import faust

class Order(faust.Record):
    """An order of a customer.

    More of it.
    """

    customer: str
    amount: float | None = None
    tags: list[str] = []

class Other(faust.Record, namespace="elsewhere.Order"):
    pass

app = faust.App("shop", broker="memory://")
'''


def test_records_are_listed_and_shown(tmp_path, monkeypatch) -> None:
    from faust.cli import call_command

    (tmp_path / "shop_of_records.py").write_text(RECORDS)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str) -> tuple[int, str]:
        code, out, err = call_command(arguments[0], [*arguments[1:], "-A", "shop_of_records"])
        return code, out.getvalue() + err.getvalue()

    code, said = call("models")
    assert code == 0
    [line] = [line for line in said.splitlines() if line.startswith("shop_of_records.Order ")]
    assert line.endswith("An order of a customer.")
    code, said = call("model", "shop_of_records.Order")
    assert [line.split(maxsplit=1)[0] for line in said.splitlines()] == ["FIELD", "customer", "amount", "tags"]
    assert "required" in said.splitlines()[1]
    assert "list[str]" in said.splitlines()[3]
    code, said = call("model", "Order")
    assert (code, "several records 'Order': " in said) == (1, True)
    code, said = call("model", "elsewhere.Ordr")
    assert (code, "did you mean 'elsewhere.Order'?" in said) == (1, True)
    code, said = call("models", "--builtins", "--json")
    assert (code, said.startswith("[{")) == (0, True)
