"""The workers of one service: started, kept running, ended together.

A worker that dies or hangs is replaced. One that cannot start, as while the database is away, is tried again, later each
time, and the others go on meanwhile. Only where none has ever served is there nobody to go on: then all end.
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
from app.processes.ending import end_for_certain, end_with_parent
from app.settings import load_settings
from app.telemetry.logs import configure_logging

logger = logging.getLogger(__name__)

CLOSING_SECONDS = 10
"""For connections to database, Redis and collector to be closed, after the last answer."""
_TICK_SECONDS = 0.2
_ASK_SECONDS = 1.0
_STABLE_SECONDS = 10.0
"""A worker that served for so long is replaced at once."""


class Server(uvicorn.Server):
    """Uvicorn's, which ends well and in time when it is told to stop."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop; a second SIGINT ends without waiting for anything."""
        if not self.should_exit:
            assert self.config.timeout_graceful_shutdown is not None
            end_for_certain(self.config.timeout_graceful_shutdown + CLOSING_SECONDS)
        super().handle_exit(sig, frame)
        # In the end uvicorn would raise it anew, as if it had not been heeded.
        self._captured_signals.clear()


class Worker(Process):
    """One process that serves. It is asked all the time how it is, and never waited for."""

    def __init__(self, config: uvicorn.Config, listener: socket.socket) -> None:
        super().__init__(config, [listener])
        self.serves_since: float | None = None
        self._asked_at = 0.0
        self._owes_answer = False

    @property
    def server(self) -> uvicorn.Server:
        """Made in the worker itself."""
        if self._server is None:
            self._server = Server(self.config)
        return self._server

    def target(self, sockets: list[socket.socket] | None = None) -> None:
        """What the worker does."""
        # A process of its own, which inherits no logging.
        configure_logging(load_settings())
        end_with_parent()
        try:
            super().target(sockets)
        except Exception as error:
            logger.exception("this worker cannot go on")
            raise SystemExit(1) from error

    def talk(self, now: float) -> None:
        """Hear its answer to the last question, or ask the next one."""
        with contextlib.suppress(OSError, EOFError):
            if self._owes_answer and self.parent_conn.poll():
                self._owes_answer = False
                if self.parent_conn.recv() and self.serves_since is None:
                    self.serves_since = now
            if not self._owes_answer and now - self._asked_at >= _ASK_SECONDS:
                self.parent_conn.send(b"ping")
                self._owes_answer, self._asked_at = True, now

    def is_hung(self, now: float) -> bool:
        """Whether it does not answer. One that has just been started takes its time, too."""
        return self._owes_answer and now - self._asked_at > self.config.timeout_worker_healthcheck

    def is_stable(self, now: float) -> bool:
        """Whether it has served for a while."""
        return self.serves_since is not None and now - self.serves_since >= _STABLE_SECONDS


@dataclass(eq=False, slots=True)
class _Place:
    """One of the workers, whichever process it is at present."""

    listener: socket.socket
    worker: Worker | None = None
    resume_at: float = 0.0
    pauses: Backoff = field(default_factory=lambda: Backoff(0.5, 10.0))


class Workers:
    """All of them, and what is told to their parent."""

    def __init__(self, config: uvicorn.Config, listeners: Sequence[socket.socket]) -> None:
        self._config = config
        self._listeners = listeners
        self._places = [_Place(listeners[number % len(listeners)]) for number in range(config.workers)]
        self._anyone_served = False
        self._exit_code: int | None = None

    def run(self) -> int:
        """Until SIGTERM or SIGINT: 0. Returns STARTUP_FAILURE where the first that were started cannot serve."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._stop)
        signal.signal(signal.SIGHUP, self._ignore)
        while self._exit_code is None:
            now = monotonic()
            for place in self._places:
                self._look_after(place, now)
            wait([worker.process.sentinel for worker in self._running()], _TICK_SECONDS)
        self._end()
        return self._exit_code

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        self._exit_code = self._exit_code or 0

    def _ignore(self, _number: int, _frame: FrameType | None) -> None:
        logger.info("SIGHUP changes nothing: restart the service to change its settings")

    def _running(self) -> list[Worker]:
        return [place.worker for place in self._places if place.worker is not None]

    def _look_after(self, place: _Place, now: float) -> None:
        worker = place.worker
        if worker is None:
            if now >= place.resume_at:
                place.worker = Worker(self._config, place.listener)
                place.worker.start()
            return
        worker.talk(now)
        self._anyone_served |= worker.serves_since is not None
        if worker.is_hung(now):
            logger.error("worker %d does not answer and is killed", worker.pid)
        elif worker.exitcode is None:
            return
        # Of one that has ended by itself this only closes the pipes.
        worker.kill()
        worker.process.join()
        place.worker = None
        if self._exit_code is None:
            self._replace(place, worker, now)

    def _replace(self, place: _Place, worker: Worker, now: float) -> None:
        """Have another take its place, later each time that it does not last."""
        assert worker.exitcode is not None
        if not self._anyone_served and worker.exitcode > 0:
            # It would fail again, and nobody is harmed by ending: whoever supervises this service is told.
            logger.error("worker %d could not start", worker.pid)
            self._exit_code = STARTUP_FAILURE
            return
        if worker.is_stable(now):
            place.pauses.reset()
            pause = 0.0
        else:
            pause = place.pauses.next()
        place.resume_at = now + pause
        logger.warning("worker %d ended with %d; another is started in %.1f s", worker.pid, worker.exitcode, pause)

    def _end(self) -> None:
        """Accept no more, have the workers answer what they have, and kill those that do not end in time."""
        for listener in self._listeners:
            # While one process has it open, the system would go on taking connections that nobody answers.
            listener.close()
        assert self._config.timeout_graceful_shutdown is not None
        deadline = monotonic() + self._config.timeout_graceful_shutdown + CLOSING_SECONDS + 1
        for worker in self._running():
            worker.terminate()
        for worker in self._running():
            worker.process.join(max(0.0, deadline - monotonic()))
            if worker.exitcode is None:
                logger.error("worker %d has not ended in time and is killed", worker.pid)
                worker.kill()
                worker.process.join()
