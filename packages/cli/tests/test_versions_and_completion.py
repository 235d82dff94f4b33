"""`faust clean-versions` and `faust completion`."""

import pytest

PROGRAM = "import faust_core\napp = faust_core.App('shop', version=2, broker='memory://', datadir='data')\n"


def test_the_state_of_other_versions_is_listed_and_with_yes_deleted(faust, module, folder):
    for name in ("v1", "v2", "v10", "worker-0/v1", "worker-0/v2", "vintage"):
        (folder / "data" / name / "tables").mkdir(parents=True)
    name = module(PROGRAM)
    listed = faust("-A", name, "clean-versions")
    assert [line.split() for line in listed.stdout.splitlines()[1:]] == [
        ["data/v1", "False"],
        ["data/v10", "False"],
        ["data/worker-0/v1", "False"],
    ]
    assert "nothing is deleted without --yes" in listed.stderr
    assert (folder / "data/v1").exists()
    assert faust("-A", name, "clean-versions", "--yes").exit_code == 0
    left = {str(path.relative_to(folder / "data")) for path in (folder / "data").glob("**/v*")}
    assert left == {"v2", "worker-0/v2", "vintage"}
    assert faust("-A", name, "clean-versions", "--yes").output == "data has no other versions\n"


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_a_script_completes_commands(faust, shell, monkeypatch):
    assert "_FAUST_COMPLETE" in faust("completion", "--shell", shell).output
    monkeypatch.setenv("SHELL", f"/usr/bin/{shell}")
    assert "_FAUST_COMPLETE" in faust("completion").output


def test_a_shell_without_completion_is_named(faust, monkeypatch):
    monkeypatch.delenv("SHELL", raising=False)
    done = faust("completion", "--shell", "tcsh")
    assert done.exit_code == 1
    assert "'tcsh': say --shell bash, zsh or fish" in done.stderr
    assert faust("completion").exit_code == 1
