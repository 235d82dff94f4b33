"""Run a command that cannot outlive its owner: `python guard.py COMMAND...`

The owner holds the other end of this program's standard input.  When that closes - because the owner
closed it, or died in any way, SIGKILL included - the command is killed.  On Linux the command is also
killed when this program is.  Ends as the command ends: same exit code, same signal.

Standard library only, and run by path, so that it starts fast and needs no installed package.
"""

import ctypes
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable

PR_SET_PDEATHSIG = 1
COMMAND_NOT_FOUND = 127


def _die_with_parent() -> Callable[[], None] | None:
    if not sys.platform.startswith("linux"):
        return None
    libc = ctypes.CDLL(None)  # loaded before the fork: little is safe between fork and exec
    return lambda: libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _kill_when_owner_is_gone(child: subprocess.Popen[bytes]) -> None:
    while os.read(0, 1):
        pass
    child.kill()


def main() -> int:
    """Start the command, write its pid on standard output, and wait for it."""
    try:
        child = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL, stdout=2, preexec_fn=_die_with_parent())  # noqa: PLW1509
    except OSError as exc:
        print(f"guard: {sys.argv[1]}: {exc.strerror}", file=sys.stderr)
        return COMMAND_NOT_FOUND
    os.write(1, f"{child.pid}\n".encode())
    threading.Thread(target=_kill_when_owner_is_gone, args=(child,), daemon=True).start()
    return child.wait()


if __name__ == "__main__":
    code = main()
    sys.stderr.flush()
    if code < 0:
        if -code != signal.SIGKILL:  # SIGKILL has no handler to reset
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code)  # the thread may still be in read(): there is nothing to wait for
