"""A process that has imported the service and forks on request. Each fork runs the `paycore` script.

`tests/forks.py` starts it and sends the requests.
"""

from __future__ import annotations

import json
import os
import runpy
import signal
import socket
import sys
from typing import Any

from app.processes.importing import importing

_LONGEST_REQUEST = 65_536


def prepare() -> None:
    """Import what `paycore serve` and `paycore relay` import."""
    with importing():
        import app.cli  # noqa: PLC0415
        import app.main  # noqa: PLC0415
        import app.processes.outbox_relay  # noqa: PLC0415
        import app.processes.serving  # noqa: F401, PLC0415


def wait_for_request(requests: socket.socket) -> list[str]:
    """Fork for each request, until the tests end. Returns in the forks only, with the command line."""
    while True:
        message, descriptors, _, _ = socket.recv_fds(requests, _LONGEST_REQUEST, 2)
        if not message:
            sys.exit()
        request = json.loads(message)
        if "ended" in request:
            _, status = os.waitpid(request["ended"], 0)
            requests.send(str(os.waitstatus_to_exitcode(status)).encode())
            continue
        pid = os.fork()
        if pid == 0:
            requests.close()
            _become(request, descriptors)
            return list(request["command"])
        for descriptor in descriptors:
            os.close(descriptor)
        requests.send(str(pid).encode())


def _become(request: dict[str, Any], descriptors: list[int]) -> None:
    """Make this fork like a process that was started anew."""
    for number, descriptor in zip((1, 2), descriptors, strict=True):
        os.dup2(descriptor, number)
        os.close(descriptor)
    if request["new_session"]:
        os.setsid()
    os.environ.clear()
    os.environ.update(request["environment"])
    signal.signal(signal.SIGINT, signal.default_int_handler)


if __name__ == "__main__":
    # Ctrl-C goes to the tests, which end this process.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    prepare()
    sys.argv = wait_for_request(socket.socket(fileno=int(sys.argv[1])))
    runpy.run_path(sys.argv[0], run_name="__main__")
