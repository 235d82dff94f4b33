"""Listening at a path instead of a port."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat
from pathlib import Path

from faust_core.errors import ConfigError

__all__ = ["remove_socket", "unix_socket"]

BACKLOG = 512
#: Whoever may connect to it needs no token: the owner and the group.
MODE = 0o660


def unix_socket(path: str) -> tuple[socket.socket, int]:
    """Return a socket that listens at `path`, and its inode; in place of one that nobody listens at any more.

    Raises:
        ConfigError: another process listens there, or it is something else, or must not be made.
    """
    if not hasattr(socket, "AF_UNIX"):
        raise ConfigError(f"web_transport=unix://{path}: this system has no such sockets")
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        _remove_dead(path)
        bound.bind(path)
        Path(path).chmod(MODE)
        bound.listen(BACKLOG)
        bound.setblocking(False)
    except OSError as exc:
        bound.close()
        reason = exc.strerror or exc
        raise ConfigError(f"web_transport=unix://{path}: HTTP cannot be served there: {reason}") from exc
    return bound, os.lstat(path).st_ino


def _remove_dead(path: str) -> None:
    """Raises:
    OSError: it is in use, or no socket.
    """
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise OSError(errno.EEXIST, "there is something that is no socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            Path(path).unlink()  # of a process that was killed
            return
    raise OSError(errno.EADDRINUSE, "another process listens there")


def remove_socket(path: str, inode: int) -> None:
    """Remove a socket of ours; another process may have put its own there meanwhile, which stays."""
    with contextlib.suppress(FileNotFoundError):
        if os.lstat(path).st_ino == inode:
            Path(path).unlink()
