"""Become a private pcscd: own socket, own readers, no root, no systemd.

    launch_pcscd.py FOLDER

Debian's pcscd has its socket's path compiled in; it takes one handed over on fd 3 in
systemd's way, and so no systemd is needed. LISTEN_PID has to be pcscd's own number,
which is why this process turns into it.
"""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

PCSCD = "/usr/sbin/pcscd"


def main(folder: Path) -> None:
    """Listen on FOLDER/pcscd.comm and become pcscd with FOLDER/readers."""
    path = folder / "pcscd.comm"
    path.unlink(missing_ok=True)
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(path))
    listening.listen(16)
    os.dup2(listening.fileno(), 3)
    os.set_inheritable(3, True)  # noqa: FBT003 - its only argument
    os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1")
    arguments = [PCSCD, "--foreground", "--info", "--config", str(folder / "readers")]
    os.execv(PCSCD, arguments)  # noqa: S606 - it is what this is for


if __name__ == "__main__":
    main(Path(sys.argv[1]))
