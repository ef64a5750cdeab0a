"""How a process ends: when it is told to, within a bound, and not long after the one that it belongs to."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import threading
from types import FrameType
from typing import NoReturn

logger = logging.getLogger(__name__)

_ABRUPT_SECONDS = 5.0
"""For a command that was told to stop to take back what it asked of the database."""


def end_at_once_when_told() -> None:
    """Have SIGTERM end this command, from now until something else handles it.

    The first process of a container has no default for it: the signal would be lost, and the container killed after its grace.
    """

    def end(number: int, _frame: FrameType | None) -> NoReturn:
        end_for_certain(_ABRUPT_SECONDS, 128 + number)
        raise SystemExit(128 + number)

    signal.signal(signal.SIGTERM, end)


def end_for_certain(seconds: float, code: int = 1) -> None:
    """End this process by then. All that it waits for has a bound of its own: this is for what was overlooked.

    By a timer of the system: a thread cannot be started safely from within a signal's handler. For the main thread alone.
    """

    def end(_number: int, _frame: FrameType | None) -> NoReturn:
        logger.error("not at an end %g s after it was told to stop; ending all the same", seconds)
        os._exit(code)

    signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, seconds)


def end_with_parent() -> None:
    """Have this process told to stop when the one that started it has died, by whatever death."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def wait() -> None:
        parent.join()
        logger.error("the process that started this one has died; ending too")
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, name="parent", daemon=True).start()
