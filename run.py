"""Run a nox session on a machine that has nothing but Python: `python3 run.py demo`, `python3 run.py tests`.

Makes an environment with nox in `.nox/bootstrap` the first time, then runs `nox -s SESSION...` in it; without
arguments, nox's default sessions.  Standard library only.
"""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent
ENVIRONMENT = ROOT / ".nox" / "bootstrap"
NOX = "nox>=2024.10,<2027"
READY = ENVIRONMENT / f"ready-{sys.version_info.major}.{sys.version_info.minor}"


def main(arguments: list[str]) -> int:
    """Run nox; its exit code."""
    if sys.version_info < (3, 11):  # noqa: UP036  (whoever runs this has not installed anything yet)
        print(f"Python 3.11 or later is needed; this is {sys.version.split()[0]} ({sys.executable})", file=sys.stderr)
        return 1
    python = ENVIRONMENT / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    if not READY.exists():
        try:
            import ensurepip  # noqa: F401, PLC0415  (Debian ships it apart from Python)
        except ImportError:
            print(
                "Python's venv module is incomplete; on Debian or Ubuntu: apt-get install python3-venv", file=sys.stderr
            )
            return 1
        print(f"Making {ENVIRONMENT.relative_to(ROOT)}, once", flush=True)
        for command in (
            [sys.executable, "-m", "venv", "--clear", str(ENVIRONMENT)],
            [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", NOX],
        ):
            code = subprocess.call(command)
            if code:
                print(f"failed: {' '.join(command)}", file=sys.stderr)
                return code
        READY.touch()
    options = arguments if not arguments or arguments[0].startswith("-") else ["-s", *arguments]
    return subprocess.call([str(python), "-m", "nox", "-f", str(ROOT / "noxfile.py"), *options])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
