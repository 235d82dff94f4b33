"""Where the log goes."""

import logging
import sys

import pytest

from faust_cli.logs import LogWriter, level_of

PROGRAM = """
import logging
import faust_core as faust
app = faust.App("shop", broker="memory://", {options})

@app.on_worker_init.connect
def stop(app):
    logging.getLogger("shop").info("here")
    raise SystemExit
"""


def test_levels_have_any_case_and_abbreviations():
    assert level_of("WARN") == logging.WARNING
    assert level_of("crit") == logging.CRITICAL
    assert level_of("Info") == logging.INFO


def test_the_log_is_on_stderr_from_the_level_on(faust, module):
    name = module(PROGRAM.format(options=""))
    assert "[INFO] shop: here" in faust("-A", name, "worker", "-l", "info").stderr
    assert "here" not in faust("-A", name, "worker").stderr


def test_a_logfile_takes_it(faust, module, folder):
    done = faust("-A", module(PROGRAM.format(options="")), "-l", "info", "-f", "my.log", "worker")
    assert done.stderr == ""
    assert "[INFO] shop: here" in (folder / "my.log").read_text()


def test_a_logfile_that_cannot_be_written_is_an_error(faust, module):
    done = faust("-A", module(PROGRAM.format(options="")), "-f", "no/such/folder/my.log", "worker")
    assert done.exit_code == 1
    assert done.stderr == "Error: -f no/such/folder/my.log: cannot be written: No such file or directory\n"


def test_logging_config_replaces_our_handler(faust, module, folder):
    config = {
        "handlers": {"own": {"class": "logging.FileHandler", "filename": "own.log"}},
        "root": {"handlers": ["own"], "level": "INFO"},
    }
    done = faust("-A", module(PROGRAM.format(options=f"logging_config={config!r}")), "worker")
    assert done.stderr == ""
    assert (folder / "own.log").read_text().splitlines()[-1] == "here"


def test_a_logging_config_that_cannot_be_is_an_error(faust, module):
    config = {"root": {"handlers": ["nowhere"]}}
    done = faust("-A", module(PROGRAM.format(options=f"logging_config={config!r}")), "worker")
    assert done.exit_code == 1
    assert done.stderr.startswith("Error: setting logging_config is not possible: ")


def test_stdout_stays_stdout_unless_the_setting_redirects_it(start, module):
    program = """
        import faust_core as faust
        app = faust.App("shop", broker="memory://", {options})

        @app.task
        async def talk():
            print("a line")
            raise SystemExit
        """
    plain = start("-m", "faust_cli", "-A", module(program.format(options="")), "worker")
    plain.saying("a line")
    assert "a line" in plain.stdout
    redirected = start(
        "-m", "faust_cli", "-A", module(program.format(options="worker_redirect_stdouts=True")), "worker"
    )
    redirected.saying("a line")
    assert "[WARNING] faust.print: a line" in redirected.stderr


def test_a_redirected_line_is_logged_when_it_is_complete(caplog: pytest.LogCaptureFixture):
    writer = LogWriter(logging.WARNING)
    print("one", "two", file=writer, end="")
    assert not caplog.messages
    print("\nthree", file=writer)
    assert caplog.messages == ["one two", "three"]
    assert not writer.isatty()
    assert sys.stdout is not writer
