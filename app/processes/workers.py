"""Supervises the workers of one service: starts them, replaces them, stops them together.

A worker that dies or hangs is replaced. If a worker cannot start, for example because the database cannot be reached, it is
retried with growing pauses while the others keep serving. If no worker has ever served, the service ends instead.
"""

from __future__ import annotations

import contextlib
import logging
import signal
import socket
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import wait
from types import FrameType

import uvicorn
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors.multiprocess import Process

from app.backoff import Backoff
from app.clock import monotonic
from app.processes.ending import exit_within, stop_with_parent
from app.processes.importing import importing
from app.settings import load_settings
from app.telemetry.logs import configure_logging

logger = logging.getLogger(__name__)

CLOSING_SECONDS = 10
"""For closing connections to database, Redis and collector, after the last answer."""
_TICK_SECONDS = 0.2
_PING_SECONDS = 1.0
_STARTS_WITHIN_SECONDS = 180.0
"""A new worker does not answer until its imports are done. That takes one or two seconds, and over thirty on an overloaded
machine: killing it then would only add load."""
_STABLE_SECONDS = 10.0
"""A worker that served for this long is replaced without a pause."""


class Server(uvicorn.Server):
    """Uvicorn's server, with a limit on the time to stop and exit code 0 after a signal."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop. A second SIGINT ends the process without waiting."""
        if not self.should_exit:
            assert self.config.timeout_graceful_shutdown is not None
            exit_within(self.config.timeout_graceful_shutdown + CLOSING_SECONDS)
        super().handle_exit(sig, frame)
        # Uvicorn raises captured signals again after it has stopped, which would change the exit code.
        self._captured_signals.clear()


class Worker(Process):
    """One worker process. The parent pings it regularly and never blocks on it."""

    def __init__(self, config: uvicorn.Config, listener: socket.socket) -> None:
        super().__init__(config, [listener])
        self.serves_since: float | None = None
        self._pinged_at = 0.0
        self._awaits_pong = False

    @property
    def server(self) -> uvicorn.Server:
        """The server, created in the worker process."""
        if self._server is None:
            self._server = Server(self.config)
        return self._server

    def target(self, sockets: list[socket.socket] | None = None) -> None:
        """Run the server. Called in the worker process."""
        # A new process does not inherit the logging configuration.
        configure_logging(load_settings())
        stop_with_parent()
        try:
            with importing():
                self.config.load()
            super().target(sockets)
        except Exception as error:
            logger.exception("this worker failed")
            raise SystemExit(1) from error

    def check(self, now: float) -> None:
        """Read the answer to the last ping, or send the next one."""
        with contextlib.suppress(OSError, EOFError):
            if self._awaits_pong and self.parent_conn.poll():
                self._awaits_pong = False
                if self.parent_conn.recv() and self.serves_since is None:
                    self.serves_since = now
            if not self._awaits_pong and now - self._pinged_at >= _PING_SECONDS:
                self.parent_conn.send(b"ping")
                self._awaits_pong, self._pinged_at = True, now

    def is_hung(self, now: float) -> bool:
        """Whether the last ping is unanswered for too long. A worker that has not served yet has more time."""
        limit = _STARTS_WITHIN_SECONDS if self.serves_since is None else self.config.timeout_worker_healthcheck
        return self._awaits_pong and now - self._pinged_at > limit

    def is_stable(self, now: float) -> bool:
        """Whether the worker has served for _STABLE_SECONDS."""
        return self.serves_since is not None and now - self.serves_since >= _STABLE_SECONDS


@dataclass(eq=False, slots=True)
class _Slot:
    """The place of one worker, which its replacements take over."""

    listener: socket.socket
    worker: Worker | None = None
    resume_at: float = 0.0
    pauses: Backoff = field(default_factory=lambda: Backoff(0.5, 10.0))


class Workers:
    """Supervisor of all workers. Handles the signals of the parent process."""

    def __init__(self, config: uvicorn.Config, listeners: Sequence[socket.socket]) -> None:
        self._config = config
        self._listeners = listeners
        self._slots = [_Slot(listeners[number % len(listeners)]) for number in range(config.workers)]
        self._has_served = False
        """Whether any worker has ever served."""
        self._exit_code: int | None = None

    def run(self) -> int:
        """Run until SIGTERM or SIGINT and return 0. Returns STARTUP_FAILURE if the first workers cannot start."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._stop)
        signal.signal(signal.SIGHUP, self._ignore)
        while self._exit_code is None:
            now = monotonic()
            for slot in self._slots:
                self._supervise(slot, now)
            wait([worker.process.sentinel for worker in self._running()], _TICK_SECONDS)
        self._end()
        return self._exit_code

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        self._exit_code = self._exit_code or 0

    def _ignore(self, _number: int, _frame: FrameType | None) -> None:
        logger.info("SIGHUP changes nothing: restart the service to change its settings")

    def _running(self) -> list[Worker]:
        return [slot.worker for slot in self._slots if slot.worker is not None]

    def _supervise(self, slot: _Slot, now: float) -> None:
        worker = slot.worker
        if worker is None:
            if now >= slot.resume_at:
                slot.worker = Worker(self._config, slot.listener)
                slot.worker.start()
            return
        worker.check(now)
        self._has_served |= worker.serves_since is not None
        if worker.is_hung(now):
            logger.error("killed worker %d, which does not answer", worker.pid)
        elif worker.exitcode is None:
            return
        # If the worker has already ended, this only closes the pipes.
        worker.kill()
        worker.process.join()
        slot.worker = None
        if self._exit_code is None:
            self._replace(slot, worker, now)

    def _replace(self, slot: _Slot, worker: Worker, now: float) -> None:
        """Schedule a replacement, with a growing pause as long as workers do not stay up."""
        assert worker.exitcode is not None
        if not self._has_served and worker.exitcode > 0:
            # A retry would fail too, and no client is connected yet. The exit code reports it to the service manager.
            logger.error("worker %d could not start", worker.pid)
            self._exit_code = STARTUP_FAILURE
            return
        if worker.is_stable(now):
            slot.pauses.reset()
            pause = 0.0
        else:
            pause = slot.pauses.next()
        slot.resume_at = now + pause
        logger.warning("worker %d ended with %d; its replacement starts in %.1f s", worker.pid, worker.exitcode, pause)

    def _end(self) -> None:
        """Stop accepting, let the workers finish their requests, and kill those that do not end in time."""
        for listener in self._listeners:
            # While any process has the socket open, the kernel accepts connections that no worker answers.
            listener.close()
        assert self._config.timeout_graceful_shutdown is not None
        deadline = monotonic() + self._config.timeout_graceful_shutdown + CLOSING_SECONDS + 1
        for worker in self._running():
            worker.terminate()
        for worker in self._running():
            worker.process.join(max(0.0, deadline - monotonic()))
            if worker.exitcode is None:
                logger.error("killed worker %d, which did not stop in time", worker.pid)
                worker.kill()
                worker.process.join()
