"""The home directory of the embedded servers: a lock for one supervisor at a time, and a file with the addresses."""

from __future__ import annotations

import fcntl
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from app.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Addresses:
    """The addresses of a home's servers."""

    database_url: str
    redis_url: str


class HomeLock:
    """Held while a supervisor runs. The system releases it when the process ends, even if it is killed."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._descriptor: int | None = None

    @property
    def is_held(self) -> bool:
        """Whether it is held through this object."""
        return self._descriptor is not None

    def take(self) -> None:
        """Raises ConfigurationError, which names the process that holds the lock or why the directory cannot be used."""
        make_home(self._home)
        try:
            descriptor = os.open(self._home / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise _unusable(self._home, error) from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(descriptor, 20).decode() or "unknown"
            os.close(descriptor)
            raise ConfigurationError(
                f"Paycore already runs on {self._home} (process {holder}): stop it, or set PAYCORE_HOME to another directory."
            ) from None
        os.ftruncate(descriptor, 0)
        os.write(descriptor, str(os.getpid()).encode())
        self._descriptor = descriptor

    def release(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def make_home(home: Path) -> None:
    """Create the directory if it is missing. Raises ConfigurationError, which says why it cannot be used."""
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise _unusable(home, error) from None


def _unusable(home: Path, error: OSError) -> ConfigurationError:
    return ConfigurationError(f"{home} cannot be used ({error.strerror}): set PAYCORE_HOME to another directory.")


def publish(home: Path, addresses: Addresses) -> None:
    """Write the servers' addresses to a file, for other `paycore` commands with this home."""
    fresh = _note(home).with_suffix(".new")
    fresh.touch(mode=0o600)
    fresh.write_text(json.dumps(asdict(addresses)), encoding="utf-8")
    fresh.rename(_note(home))


def withdraw(home: Path) -> None:
    """Delete the file with the addresses."""
    _note(home).unlink(missing_ok=True)


def find_running(home: Path) -> Addresses | None:
    """Returns the addresses of the servers that run with this home, or None if no supervisor runs."""
    home = home.resolve()
    if not _note(home).exists():
        return None
    lock = HomeLock(home)
    try:
        lock.take()
    except ConfigurationError:
        return Addresses(**json.loads(_note(home).read_text(encoding="utf-8")))
    lock.release()
    return None


def _note(home: Path) -> Path:
    return home / "servers.json"
