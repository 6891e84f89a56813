"""The socket by which a site is spoken to on its own machine: no token, since the kernel says who calls.

Whoever may open it acts as `local:UID` and may name files of that machine. Tests
talk to a socket of their own.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from ._errors import Invalid, Unavailable

if TYPE_CHECKING:
    import urllib3

ADDRESS = "http://localhost"  # stands in calls that cross no network


def socket_of(folder: str | os.PathLike[str]) -> str:
    """The socket of a site that is being served from a folder of this machine."""
    path = Path(folder).expanduser().resolve()
    found = path / "site.sock"
    try:
        is_socket = stat.S_ISSOCK(found.stat().st_mode)
    except OSError:
        is_socket = False
    if not path.is_dir():
        raise Invalid(f"there is no folder {path}", "give the folder that `anchorhold init --dir` made")
    if not is_socket:
        raise Unavailable(f"no site is being served from {path}", f"run: anchorhold serve --dir {path}")
    return os.fspath(found)


def pool(path: str) -> urllib3.PoolManager:
    """Connections that lead to a socket, whatever the address of a call."""
    import socket

    import urllib3
    from urllib3.connection import HTTPConnection
    from urllib3.exceptions import NewConnectionError

    family: int = getattr(socket, "AF_UNIX", -1)
    if family < 0:
        raise Invalid("this system has no such sockets", "connect by the site's address, with a token")

    class Local(HTTPConnection):
        def _new_conn(self) -> socket.socket:
            made = socket.socket(family, socket.SOCK_STREAM)
            try:
                made.settimeout(10)
                made.connect(path)
            except OSError as e:
                made.close()
                raise NewConnectionError(self, type(e).__name__) from None
            return made

    class Pool(urllib3.HTTPConnectionPool):
        ConnectionCls = Local

    manager = urllib3.PoolManager(maxsize=4)
    manager.pool_classes_by_scheme = {"http": Pool}
    return manager
