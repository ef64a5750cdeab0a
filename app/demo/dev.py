"""`paycore dev`: runs the servers, the API, the relay and the worker under one supervisor, which stops all of them at its end."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import SecretStr

from app.db import migrate
from app.demo import seed
from app.demo.banner import banner
from app.demo.dashboard_build import BackgroundBuild
from app.demo.embedded import EmbeddedServers, find_running, make_home, start_servers
from app.demo.embedded.processes import Patience, end_child, end_orphan
from app.errors import ConfigurationError
from app.services.receipts import notes
from app.settings import DEMO_LOG_KEY, Settings

_READY_SECONDS = 30.0
_TICK_SECONDS = 0.2
_LONGEST_PAUSE_SECONDS = 10.0
_STABLE_SECONDS = 10.0
_PATIENCE: Patience = ((signal.SIGTERM, 20.0), (signal.SIGKILL, 5.0))
_CHILDREN = ("serve", "relay", "worker")
_PROCESS_OF = {"api": "serve", "relay": "relay"}


@dataclass(slots=True)
class _Child:
    """A `paycore` command that runs as a child process. It is restarted when it ends by itself."""

    name: str
    home: Path
    environment: dict[str, str]
    note: Path | None
    """The file that holds its pid. If this supervisor is killed, the next one ends the process by it."""
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    pause_seconds: float = 0.5
    resume_at: float = field(default=0.0)

    def start(self) -> None:
        # In a session of its own, so that Ctrl-C only reaches the supervisor, which stops its children in order.
        # Nothing is written to the pipe: its end shows the child that the supervisor died.
        self.process = subprocess.Popen(  # noqa: S603 - our own command
            [sys.executable, "-m", "app.cli", self.name, "--started-by", str(self.home)],
            stdin=subprocess.PIPE,
            start_new_session=True,
            env=self.environment,
        )
        self.started_at = time.monotonic()
        if self.note is not None:
            self.note.write_text(str(self.process.pid), encoding="utf-8")

    def stop(self) -> None:
        if self.process is not None:
            end_child(self.process, _PATIENCE)
            self._forget()
        if self.note is not None:
            self.note.unlink(missing_ok=True)

    def _forget(self) -> None:
        assert self.process is not None
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process = None

    def look_after(self) -> None:
        """Restart it if it has ended. The pause doubles each time that it ends early."""
        now = time.monotonic()
        if self.process is not None and self.process.poll() is not None:
            lasted = now - self.started_at
            self.pause_seconds = 0.5 if lasted > _STABLE_SECONDS else min(self.pause_seconds * 2, _LONGEST_PAUSE_SECONDS)
            self.resume_at = now + self.pause_seconds
            _say(f"{self.name} ended with {self.process.returncode}. Restarting it.")
            self._forget()
        if self.process is None and now >= self.resume_at:
            self.start()


def run_dev(settings: Settings, *, reset: bool) -> None:
    """Run until Ctrl-C or SIGTERM. Raises ConfigurationError, one line, if it cannot start."""
    if settings.environment == "production":
        raise ConfigurationError("`paycore dev` is for development. In production run `paycore serve` and `paycore relay`.")
    home = settings.home.resolve()
    # The URL of the user's own database may hold a password, which must not be printed.
    shows_database = settings.database_url is None
    _require_free_port(settings, home)
    with _stop_requests() as stop, contextlib.ExitStack() as stack:
        settings, servers = _with_servers(settings, stack, reset=reset)
        if servers is not None:
            _end_orphans(home)
        asyncio.run(_prepare(settings))
        notes = {name: _note(home, name) if servers is not None else None for name in _CHILDREN}
        children = [_Child(name, home, _environment(settings, home), notes[name]) for name in _CHILDREN]
        # The stack stops them in reverse order: the API, then relay and worker, then the servers.
        for child in reversed(children):
            stack.callback(child.stop)
            child.start()
        if _wait_until_ready(settings, children[0], stop):
            sys.stdout.write(banner(settings, shows_database=shows_database))
            sys.stdout.flush()
        if settings.dashboard and settings.dashboard_dir is None:
            pages = BackgroundBuild(home / "pages.txt", _say)
            pages.start()
            stack.callback(pages.stop)
        while not stop.wait(_TICK_SECONDS):
            _run_requested_faults(home, children, servers)
            for child in children:
                child.look_after()
            _look_after_servers(servers)
        _say("Stopping.")


def _with_servers(settings: Settings, stack: contextlib.ExitStack, *, reset: bool) -> tuple[Settings, EmbeddedServers | None]:
    """Start embedded servers for the addresses that are not set. Returns settings with all addresses."""
    if reset and settings.database_url is not None:
        raise ConfigurationError("--reset deletes the data of the embedded servers, but PAYCORE_DATABASE_URL is set.")
    if settings.database_url is not None and settings.redis_url is not None:
        # Needed without embedded servers too: for the note on the pages' build and for fault requests.
        make_home(settings.home)
        return settings, None
    if find_running(settings.home) is None:
        _say("Starting PostgreSQL and Redis.")
    servers = stack.enter_context(start_servers(settings.home, reset=reset))
    return settings.model_copy(
        update={
            "database_url": settings.database_url or SecretStr(servers.database_url),
            "redis_url": settings.redis_url or SecretStr(servers.redis_url),
        }
    ), servers


async def _prepare(settings: Settings) -> None:
    await migrate.upgrade(settings)
    if await seed.create_demo_data(settings):
        _say("Created the demo's users, wallets and 90 days of transfers.")


def _environment(settings: Settings, home: Path) -> dict[str, str]:
    """Returns the children's environment: this process's, with the servers' addresses."""
    assert settings.database_url is not None
    assert settings.redis_url is not None
    log_key = DEMO_LOG_KEY if settings.log_key is None else settings.log_key.get_secret_value()
    return {
        **os.environ,
        "PAYCORE_DATABASE_URL": settings.database_url.get_secret_value(),
        "PAYCORE_REDIS_URL": settings.redis_url.get_secret_value(),
        "PAYCORE_HOST": settings.host,
        "PAYCORE_PORT": str(settings.port),
        "PAYCORE_SUPERVISOR_HOME": str(home),
        "PAYCORE_LOG_KEY": log_key,
        # For those who verify a receipt in the browser.
        "PAYCORE_LOG_PUBLIC_KEY": settings.log_public_key or str(notes.parse_signer(log_key).verifier),
        # Endpoints of the demo run on this machine.
        "PAYCORE_WEBHOOK_PRIVATE_TARGETS": os.environ.get("PAYCORE_WEBHOOK_PRIVATE_TARGETS", "true"),
        "PYTHONUNBUFFERED": "1",
    }


def _run_requested_faults(home: Path, children: list[_Child], servers: EmbeddedServers | None) -> None:
    """Run the faults that users of the demo request. The API creates a file for each request."""
    for request in home.glob("break-*"):
        request.unlink(missing_ok=True)
        target = request.name.removeprefix("break-")
        if target == "redis" and servers is not None:
            _say("Restarting Redis, as requested.")
            servers.redis.stop()
            servers.redis.start()
        for child in children:
            if child.process is not None and child.name == _PROCESS_OF.get(target):
                _say(f"Killing {child.name}, as requested.")
                child.process.kill()


def _look_after_servers(servers: EmbeddedServers | None) -> None:
    for name in servers.dead() if servers is not None else ():
        assert servers is not None
        _say(f"{name} ended. Restarting it.")
        (servers.postgres if name == servers.postgres.name else servers.redis).start()


def _require_free_port(settings: Settings, home: Path) -> None:
    if _is_free(settings):
        return
    # The port may be held by the API of a killed supervisor. If a supervisor is running, its API must not be ended.
    if find_running(home) is None:
        _end_orphans(home)
    if not _is_free(settings):
        raise ConfigurationError(
            f"Port {settings.port} is in use. Stop the other program, or use another: PAYCORE_PORT={settings.port + 1} make run"
        )


def _is_free(settings: Settings) -> bool:
    with socket.socket(socket.AF_INET6 if ":" in settings.host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError:
            return False
    return True


def _note(home: Path, name: str) -> Path:
    return home / f"{name}.pid"


def _end_orphans(home: Path) -> None:
    """End the processes that a killed supervisor of this home left behind. Each is recognised by its command line."""
    for name in _CHILDREN:
        note = _note(home, name)
        if note.exists():
            with contextlib.suppress(ValueError):
                end_orphan(int(note.read_text(encoding="utf-8")), str(home), _PATIENCE)
            note.unlink(missing_ok=True)


class _Stop:
    """Whether a stop is requested.

    No threading.Event: a signal's handler that sets it may wait for the lock of the `wait` that it interrupted, and hang.
    """

    def __init__(self) -> None:
        self.requested = False

    def wait(self, seconds: float) -> bool:
        if not self.requested:
            time.sleep(seconds)
        return self.requested


@contextlib.contextmanager
def _stop_requests() -> Iterator[_Stop]:
    """What Ctrl-C, SIGTERM and SIGHUP request. A second signal exits at once; the children then end by themselves."""
    stop = _Stop()

    def request(number: int, _frame: object) -> None:
        if stop.requested:
            os._exit(128 + number)
        stop.requested = True

    # Ignored signals stay ignored: under nohup, closing the terminal must not stop the demo.
    wanted = [n for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP) if signal.getsignal(n) is not signal.SIG_IGN]
    before = {number: signal.signal(number, request) for number in wanted}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _wait_until_ready(settings: Settings, api: _Child, stop: _Stop) -> bool:
    """Returns False if a stop is requested first. Raises ConfigurationError if the API ends or is not ready in time."""
    deadline = time.monotonic() + _READY_SECONDS
    while not stop.wait(_TICK_SECONDS / 2):
        if api.process is None or api.process.poll() is not None:
            raise ConfigurationError("The API ended while starting. Its messages are above.")
        if _answers(f"{settings.base_url}/readyz"):
            return True
        if time.monotonic() > deadline:
            raise ConfigurationError(f"The API was not ready within {_READY_SECONDS:.0f} seconds.")
    return False


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as response:  # noqa: S310 - our own address
            return bool(json.load(response)["status"] == "ready")
    except (OSError, urllib.error.URLError, ValueError):
        return False


def _say(text: str) -> None:
    # The terminal may be closed. The stop must go on all the same.
    with contextlib.suppress(OSError):
        sys.stdout.write(f"paycore: {text}\n")
        sys.stdout.flush()
