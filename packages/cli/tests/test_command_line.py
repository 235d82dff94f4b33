"""Commands, options and where they may stand."""

import json
import subprocess
import sys

import pytest

from faust_cli.main import COMMANDS, cli

AGENTS = """
import faust_core as faust
app = faust.App("shop", broker="memory://")

@app.agent("orders")
async def count(stream):
    "Count the orders."
    async for order in stream:
        pass
"""


def test_help_lists_every_command_as_it_describes_itself(faust):
    done = faust("--help")
    assert done.exit_code == 0
    for name, line in COMMANDS.items():
        command = cli.get_command(None, name)
        assert command.name == name
        assert command.get_short_help_str(limit=200) == line
        assert f"  {name} " in done.output


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_has_help(faust, name):
    assert faust(name, "--help").exit_code == 0


def test_a_mistyped_command_is_suggested(faust):
    done = faust("wroker")
    assert done.exit_code == 2
    assert "no command 'wroker': did you mean 'worker'?" in done.stderr


def test_a_command_like_no_other_gets_the_list(faust):
    assert "there are agents, clean-versions, completion, reset, send" in faust("xyz").stderr


def test_help_imports_neither_the_engine_nor_rich():
    program = (
        "import sys\nfrom faust_cli.main import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit as exit:\n    assert not exit.code\n"
        "loaded = {name.partition('.')[0] for name in sys.modules}\n"
        "assert not loaded & {'faust_core', 'rich', 'asyncio', 'confluent_kafka'}, loaded\n"
        "assert 'importlib.metadata' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=20)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("arguments", [("--json", "agents"), ("agents", "--json")])
def test_options_stand_before_or_after_the_command(faust, module, arguments):
    name = module(AGENTS)
    done = faust("-A", name, *arguments)
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout) == [
        {
            "name": f"{name}.count",
            "topic": "orders",
            "concurrency": 1,
            "on_error": "dead_letter",
            "help": "Count the orders.",
        }
    ]


def test_the_application_may_be_named_after_the_command(faust, module):
    assert faust("agents", "-A", module(AGENTS)).exit_code == 0


def test_the_environment_may_name_the_application(faust, module, monkeypatch):
    monkeypatch.setenv("FAUST_APP", module(AGENTS))
    assert "orders" in faust("agents").stdout


def test_the_command_line_beats_the_environment(faust, module, monkeypatch):
    monkeypatch.setenv("FAUST_APP", "nothing_of_that_name")
    name = module(AGENTS)
    assert faust("-A", name, "agents").exit_code == 0
    assert faust("agents", "-A", name).exit_code == 0


def test_the_working_directory_is_where_modules_are_found(faust, module, folder):
    (folder / "inner").mkdir()
    (folder / "inner" / "inner_program.py").write_text(AGENTS)
    assert "inner_program.count" in faust("-W", "inner", "-A", "inner_program", "agents").stdout


def test_a_level_that_does_not_exist_is_refused_with_those_that_do(faust):
    done = faust("worker", "-l", "loud")
    assert done.exit_code == 2
    assert "'debug', 'info', 'warn'" in done.stderr


def test_a_loop_that_is_not_installed_says_what_to_install(faust, module, monkeypatch):
    monkeypatch.setitem(sys.modules, "uvloop", None)
    done = faust("-L", "uvloop", "-A", module(AGENTS), "worker")
    assert done.exit_code == 1
    assert done.stderr.splitlines()[-1] == "Error: -L uvloop: it is not installed: pip install uvloop"


def test_version_is_one_line_and_the_command_tells_more(faust):
    assert faust("--version").stdout.startswith("faust ")
    versions = json.loads(faust("version", "--json").stdout)
    assert {"faust-core", "faust-cli", "python"} <= set(versions)
    assert "faust-core" in faust("version").stdout


def test_an_error_says_nothing_of_our_code_unless_debug(faust, module):
    name = module("import faust_core as faust\napp = faust.App('x', broker='kafka://localhost:1')\n")
    assert "Traceback" not in faust("-A", name, "send", "@nobody", "1").stderr
    name = module(AGENTS.replace('"memory://"', '"pigeon://loft"'))
    done = faust("-A", name, "--debug", "send", "orders", "1")
    assert "Traceback" in done.stderr
    assert "no transport for pigeon://" in done.stderr.splitlines()[-1]


def test_an_application_runs_its_own_command_line(start, module):
    name = module(AGENTS + "\napp.main()\n")
    program = start(f"{name}.py", "agents")
    assert program.code() == 0
    assert f"{name}.count" in program.stdout
