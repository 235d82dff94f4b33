"""A folder with every wheel of ours and every wheel they need, and clean environments to install them in."""

import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.packaging.distributions import DISTRIBUTIONS, ROOT, CleanEnvironment

BUILD_TIMEOUT_S = 600  # a first run fetches every dependency; pip keeps them after that


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """These tests build and install, which takes longer than other tests do."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.slow)
            item.add_marker(pytest.mark.timeout(BUILD_TIMEOUT_S), append=False)


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a wheel of every distribution of ours, built as a release builds them, and of all they need."""
    folder = tmp_path_factory.mktemp("wheels")
    projects = [str(distribution.project) for distribution in DISTRIBUTIONS]
    extras = [
        requirement for distribution in DISTRIBUTIONS for requirement in _third_party_extras(distribution.project)
    ]
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--wheel-dir", str(folder)]
    done = subprocess.run(
        [*pip, *projects, *extras], capture_output=True, text=True, check=False, cwd=ROOT, timeout=BUILD_TIMEOUT_S
    )
    if done.returncode:
        pytest.fail(f"the wheels cannot be built:\n{done.stdout}{done.stderr}", pytrace=False)
    return folder


@pytest.fixture
def clean_environment(wheels: Path, tmp_path: Path) -> Callable[..., CleanEnvironment]:
    """Makes an environment with nothing but the requirements given and what they declare, from `wheels` alone."""

    def make(*requirements: str) -> CleanEnvironment:
        return CleanEnvironment(tmp_path / "environment", wheels, requirements)

    return make


def _third_party_extras(project: Path) -> list[str]:
    extras = tomllib.loads((project / "pyproject.toml").read_text())["project"].get("optional-dependencies", {})
    ours = {distribution.name for distribution in DISTRIBUTIONS}
    return [
        requirement
        for requirements in extras.values()
        for requirement in requirements
        if requirement.partition(">")[0].partition("[")[0] not in ours
    ]
