"""What is said where a client is not installed; and that nothing needs one before it is used."""

import builtins
import json
import subprocess
import sys

import pytest

import faust_sensors
from faust_core.app import App
from faust_core.errors import PluginMissing

CLIENTS = ("statsd", "datadog", "prometheus_client", "opentelemetry", "sentry_sdk")


@pytest.fixture
def nothing_installed(monkeypatch):
    for name in [name for name in sys.modules if name.partition(".")[0] in CLIENTS]:
        monkeypatch.delitem(sys.modules, name)
    real = builtins.__import__

    class Refusing:
        def find_spec(self, name, path=None, target=None):
            if name.partition(".")[0] in CLIENTS:
                raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr(sys, "meta_path", [Refusing(), *sys.meta_path])
    assert builtins.__import__ is real


@pytest.mark.parametrize(
    ("use", "extra"),
    [
        (faust_sensors.StatsdMonitor, "statsd"),
        (faust_sensors.DatadogMonitor, "datadog"),
        (lambda: faust_sensors.setup_prometheus_sensors(App("x")), "prometheus"),
        (faust_sensors.OpenTelemetryMonitor, "opentelemetry"),
        (lambda: faust_sensors.setup_opentelemetry(App("x")), "opentelemetry"),
        (faust_sensors.TracingSensor, "opentelemetry"),
        (lambda: faust_sensors.handler_from_dsn("http://key@localhost/1"), "sentry"),
    ],
)
@pytest.mark.usefixtures("nothing_installed")
def test_a_missing_client_is_an_error_that_says_what_to_install(use, extra):
    with pytest.raises(PluginMissing, match=rf"pip install 'faust-sensors\[{extra}\]'"):
        use()


def test_importing_the_package_imports_no_client():
    program = "import sys, json, faust_sensors; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert not {name.partition(".")[0] for name in json.loads(done.stdout)}.intersection(CLIENTS)


def test_the_public_names_are_these():
    assert sorted(faust_sensors.__all__) == faust_sensors.__all__
    assert all(hasattr(faust_sensors, name) for name in faust_sensors.__all__)
