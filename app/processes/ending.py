"""How a process ends: on SIGTERM, within a time limit, and when its parent dies."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import threading
from types import FrameType
from typing import NoReturn

logger = logging.getLogger(__name__)

_ROLLBACK_SECONDS = 5.0
"""For a stopped command to cancel its statements in the database."""


def exit_on_sigterm() -> None:
    """Make SIGTERM end this command, until another handler is installed.

    PID 1 has no default action for SIGTERM: without a handler the container is killed only after its grace period.
    """

    def end(number: int, _frame: FrameType | None) -> NoReturn:
        exit_within(_ROLLBACK_SECONDS, 128 + number)
        raise SystemExit(128 + number)

    signal.signal(signal.SIGTERM, end)


def exit_within(seconds: float, code: int = 1) -> None:
    """End this process after this time at the latest. Every wait has its own limit; this covers one that was overlooked.

    Uses a system timer, because a signal handler cannot start a thread safely. Call it from the main thread only.
    """

    def end(_number: int, _frame: FrameType | None) -> NoReturn:
        logger.error("still running %g s after the signal to stop; exiting now", seconds)
        os._exit(code)

    signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, seconds)


def stop_with_parent() -> None:
    """Send SIGTERM to this process when its parent has died for any reason."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def wait() -> None:
        parent.join()
        logger.error("the parent process has died; stopping")
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, name="parent", daemon=True).start()
