"""The project's checks.  `python3 run.py SESSION` runs one; without a name the quick ones, which need no broker."""

import argparse
import os
import random
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import nox
from nox.command import CommandFailed

nox.needs_version = ">=2024.10"
nox.options.sessions = ["lint", "imports", "typecheck", "unit"]
nox.options.reuse_existing_virtualenvs = True
nox.options.error_on_external_run = True

ROOT = Path(__file__).parent
PACKAGES = {  # import name -> folder under packages/, lowest layer first
    "faust_core": "core",
    "faust_models": "models",
    "faust_conformance": "conformance",
    "faust_transport_kafka": "transport-kafka",
    "faust_store_rocksdb": "store-rocksdb",
    "faust_store_redis": "store-redis",
    "faust_schema_registry": "schema-registry",
    "faust_cli": "cli",
    "faust_web": "web",
    "faust_sensors": "sensors",
    "faust": "faust",
}
GROUPS: dict[str, list[str]] = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]
PYTHON_FILES = ["packages", "tests", "examples", "docs", "bench", "conftest.py", "noxfile.py", "run.py"]
CORE_COVERAGE_PERCENT = 90
# More processes than small machines have cores: most tests wait, for a broker, a child process or a clock.
IN_PARALLEL = ["-n", "4", "--dist", "worksteal"]
# Tests of whole applications start many processes themselves, and measure how long these stand still.
APPLICATIONS = "tests/e2e"
APPLICATIONS_IN_PARALLEL = ["-n", "2", "--dist", "worksteal"]
PATIENT = {"TEST_PATIENCE": "3"}  # machines that run all tests are slow ones
# What `faults_long` runs, beside `soak`: those whose sizes tests/e2e/sizes.py decides.
AT_FULL_LENGTH = [
    "tests/e2e/test_broker_faults.py",
    "tests/e2e/test_network_faults.py",
    "tests/e2e/test_slow_agents.py",
    "tests/e2e/test_standbys.py",
    "tests/e2e/test_takeovers.py",
    "packages/transport-kafka/tests/integration/test_transactions.py",
]
Step = Callable[[nox.Session], None]


def install(session: nox.Session, *groups: str, packages: bool = True) -> None:
    """Install every distribution of the workspace editable, and the dependency groups named."""
    if packages:  # built in place: an isolated build for each takes longer than all tests of a package
        session.install(*GROUPS["build"])
    session.install("--no-build-isolation", *requirements(*groups, packages=packages))


def requirements(*groups: str, packages: bool = True) -> list[str]:
    """The same as arguments of `pip install`; what examples have of packages of their own is among it."""
    folders = [f"packages/{folder}" for folder in PACKAGES.values()]
    folders += [str(Path(file).parent) for file in existing("examples/*/pyproject.toml")]
    editable = [part for folder in folders for part in ("-e", folder)] if packages else []
    return [*editable, *(requirement for group in groups for requirement in GROUPS[group])]


def existing(*patterns: str) -> list[str]:
    """Those paths that are there, relative to the root."""
    return [str(path.relative_to(ROOT)) for pattern in patterns for path in sorted(ROOT.glob(pattern))]


def pytest(session: nox.Session, *arguments: str, paths: list[str], env: dict[str, str] | None = None) -> None:
    """Run pytest on `paths`; the session's own arguments come last."""
    if not paths:
        session.error("no such tests: has a folder been moved?")
    session.run("python", "-m", "pytest", *arguments, *(session.posargs or paths), env=env)


def run_lint(session: nox.Session) -> None:
    """Style: ruff."""
    session.run("ruff", "check", *existing(*PYTHON_FILES))
    session.run("ruff", "format", "--check", *existing(*PYTHON_FILES))


def run_imports(session: nox.Session) -> None:
    """Layers: import-linter."""
    session.run("lint-imports")


def run_typecheck(session: nox.Session) -> None:
    """Types: mypy --strict on all that ships, and on the test services."""
    session.run("mypy", *(part for name in PACKAGES for part in ("-p", name)))
    session.run(
        "mypy",
        *existing("noxfile.py", "run.py", "conftest.py", "docs/*.py", "tests/services", "tests/simulation"),
        *existing(*(f"tests/{folder}/*.py" for folder in ("docs", "examples", "packaging", "typing"))),
    )
    session.run("mypy", *existing("examples/*/src", "examples/*/*.py", "examples/*/tests"))


def run_changelog(session: nox.Session) -> None:
    """Fragments: every package's changelog can be built, and a changed package has a new fragment."""
    for folder in PACKAGES.values():
        directory = f"packages/{folder}"
        session.run("towncrier", "build", "--draft", "--version", "next", "--dir", directory, silent=True)
    changed = changed_files(os.environ.get("BASE_BRANCH", "origin/main"))
    if changed is None:
        session.log("no base branch to compare with: not checked whether changed packages have a fragment")
        return
    missing = [
        folder
        for folder in PACKAGES.values()
        if any(name.startswith(f"packages/{folder}/src/") for name in changed)
        and not any(re.match(rf"packages/{folder}/(changelog\.d/[^.]|CHANGELOG\.md)", name) for name in changed)
    ]
    if missing:
        session.error(f"changed without a fragment in changelog.d/ (see CONTRIBUTING.md): {', '.join(missing)}")


def changed_files(base: str) -> list[str] | None:
    """Files that differ from where this branch left `base`; None where git cannot tell."""
    git = shutil.which("git")
    if git is None:
        return None
    diff = subprocess.run(
        [git, "-C", str(ROOT), "diff", "--name-only", "--diff-filter=d", f"{base}...HEAD"],
        capture_output=True,
        text=True,
        check=False,
    )
    return diff.stdout.splitlines() if diff.returncode == 0 else None


def run_all_tests(session: nox.Session) -> None:
    """Every test of the repository; the coverage of what ships, and of core its lower bound."""
    options = ["--cov", "--durations=10", *session.posargs]
    parts: list[list[str]] = [
        [*IN_PARALLEL, f"--ignore={APPLICATIONS}", "--cov-report="],
        [*APPLICATIONS_IN_PARALLEL, APPLICATIONS, "--cov-append", "--cov-report=term:skip-covered"],
    ]
    failed = False
    for part in parts:
        try:
            session.run("python", "-m", "pytest", *options, *part, env=PATIENT)
        except CommandFailed:
            failed = True
    if failed:
        raise CommandFailed("tests")
    bound = f"--fail-under={CORE_COVERAGE_PERCENT}"
    session.run("coverage", "report", "--include=packages/core/src/*", "--format=total", bound)


@nox.session
def tests(session: nox.Session) -> None:
    """Everything: style, layers, types, changelog, then every test, with real services, wheels and examples."""
    install(session, "test", "lint", "imports", "typing", "changelog")
    failed = []
    steps: list[Step] = [run_lint, run_imports, run_typecheck, run_changelog, run_all_tests]
    for step in steps:  # all of them, so that one run shows all there is to mend
        try:
            step(session)
        except CommandFailed:
            failed.append(step.__name__.removeprefix("run_").replace("_", " "))
    if failed:
        session.error(f"failed: {', '.join(failed)}")


@nox.session
def unit(session: nox.Session) -> None:
    """Tests that need no broker, no Redis, no schema registry and no package index; under two minutes."""
    install(session, "test", "typing")
    paths = existing("packages/*/tests", "examples/*/tests", "tests")
    pytest(
        session, "-m", "not kafka and not redis and not registry and not slow", "--ignore=tests/packaging", paths=paths
    )


@nox.session
def conformance(session: nox.Session) -> None:
    """The conformance kit on every transport, store and codec of ours, in full: a million keys are scanned."""
    install(session, "test")
    session.env["FAUST_CONFORMANCE_SCAN_KEYS"] = "1000000"
    pytest(session, paths=existing("packages/*/tests/conformance", "examples/*/tests"))


@nox.session
def integration(session: nox.Session) -> None:
    """Tests against real Apache Kafka, a real Redis and a real schema registry."""
    install(session, "test")
    paths = existing("packages/*/tests", "tests")
    pytest(
        session, *APPLICATIONS_IN_PARALLEL, "-m", "kafka or redis or registry", "--ignore=tests/packaging", paths=paths
    )


@nox.session
def simulation(session: nox.Session) -> None:
    """Whole workers through seeded schedules of faults: `-- --seeds 100000`; `-- --seed 17` shows one."""
    install(session, "test")
    arguments = session.posargs or ["--seeds", "100000"]
    processes = [] if "--seed" in arguments else ["--processes", str(os.cpu_count() or 1)]
    session.run("python", "-m", "tests.simulation", *processes, *arguments, env={"PYTHONHASHSEED": "0"})


@nox.session
def soak(session: nox.Session) -> None:
    """Workers killed, stopped and started at random on Kafka: `-- --actions 20 --seed 7`; says what came of it."""
    install(session, "test")
    options = argparse.ArgumentParser(prog="nox -s soak --")
    options.add_argument("--actions", default="20")
    options.add_argument("--seed", default=str(random.randrange(1_000_000)))
    asked = options.parse_args(session.posargs)
    env = {"E2E_SOAK_ACTIONS": asked.actions, "E2E_SOAK_SEED": asked.seed, **PATIENT}
    session.run("python", "-m", "pytest", "-s", "tests/e2e/test_soak.py", env=env)


@nox.session
def faults_long(session: nox.Session) -> None:
    """The tests of faults that are shortened elsewhere, in full: a million keys, minutes without a network; an hour."""
    install(session, "test")
    pytest(session, "-s", paths=AT_FULL_LENGTH, env={"E2E_LONG": "1"})


@nox.session
def lint(session: nox.Session) -> None:
    """Style: ruff check and ruff format."""
    install(session, "lint", packages=False)
    run_lint(session)


@nox.session
def audit(session: nox.Session) -> None:
    """Known vulnerabilities of what we depend on: pip-audit, which asks a service on the network; not part of CI."""
    install(session, "audit")
    session.run("pip-audit", "--skip-editable", *session.posargs)


@nox.session
def imports(session: nox.Session) -> None:
    """Layers: the contracts of .importlinter."""
    install(session, "imports")
    run_imports(session)


@nox.session
def typecheck(session: nox.Session) -> None:
    """Types: mypy --strict."""
    install(session, "typing", "test")
    run_typecheck(session)


@nox.session
def changelog(session: nox.Session) -> None:
    """Changelog fragments: they build, and a package changed since BASE_BRANCH (origin/main) has a new one."""
    install(session, "changelog", packages=False)
    run_changelog(session)


@nox.session
def packaging(session: nox.Session) -> None:
    """Wheels: build all, look into them, install each alone, import it, run an agent with core and Kafka only."""
    install(session, "test", packages=False)
    pytest(session, paths=existing("tests/packaging"))


@nox.session
def examples(session: nox.Session) -> None:
    """Every example runs."""
    install(session, "test")
    pytest(session, paths=existing("tests/examples", "examples/*/tests"))


@nox.session(venv_backend="none")
def dev(session: nox.Session) -> None:
    """Make .venv for an editor and a shell: every package editable, every tool."""
    session.run(sys.executable, "-m", "venv", ".venv")
    python = ".venv/Scripts/python" if sys.platform == "win32" else ".venv/bin/python"
    session.run(python, "-m", "pip", "install", "--quiet", *requirements(*GROUPS))


@nox.session
def demo(session: nox.Session) -> None:
    """A stream processor from end to end in this process: no broker, nothing to install."""
    install(session)
    script(session, "examples/demo.py")


@nox.session
def bench(session: nox.Session) -> None:
    """Measure throughput, latency and restore on this machine; `-- NAME …` runs another program of bench/."""
    install(session, "test")
    name = session.posargs[0] if session.posargs else ""
    if Path(f"bench/{name}.py").is_file():
        session.run("python", f"bench/{name}.py", *session.posargs[1:])
    else:
        script(session, "bench/run.py")


def script(session: nox.Session, path: str) -> None:
    """Run one of our programs with the session's arguments."""
    session.run("python", path, *session.posargs)
