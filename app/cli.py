"""The `paycore` command. Each subcommand imports what it runs, because to import everything takes most of a start."""

# ruff: noqa: E402

from __future__ import annotations

import gc

# See `importing`.
gc.disable()

import asyncio
import contextlib
import json
import logging
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar

import typer
from pydantic import SecretStr

from app.errors import ConfigurationError
from app.processes.ending import exit_on_sigterm, exit_within
from app.processes.importing import importing
from app.settings import DatabaseSettings, RelaySettings, Settings, WorkerSettings, load_settings, unknown_variables
from app.telemetry.logs import configure_logging

gc.freeze()
gc.enable()

logger = logging.getLogger(__name__)

T = TypeVar("T")

app = typer.Typer(
    name="paycore",
    help="A wallet and money-transfer service on a double-entry ledger. Settings come from PAYCORE_… variables.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

# The next `paycore dev` recognises orphans of the last one by this option in their command lines.
StartedBy = Annotated[Path | None, typer.Option(hidden=True, help="The home directory of the `paycore dev` that started this.")]


class Role(StrEnum):
    """Roles that `paycore token` offers. A user needs none."""

    ADMIN = "admin"
    SUPPORT = "support"


@app.command()
def dev(
    reset: Annotated[bool, typer.Option("--reset", help="Delete the demo data and start over.")] = False,
    port: Annotated[int | None, typer.Option(help="Port of the API. Default: PAYCORE_PORT.")] = None,
) -> None:
    """Run everything on this machine: embedded PostgreSQL and Redis, demo data, API, relay, worker. Ctrl-C stops it."""
    with importing():
        from app.demo.dev import run_dev
    settings = load_settings() if port is None else load_settings(port=port)
    _begin_log(settings)
    run_dev(settings, reset=reset)


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on. Default: PAYCORE_HOST.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on. Default: PAYCORE_PORT.")] = None,
    workers: Annotated[int | None, typer.Option(help="Number of processes. Default: PAYCORE_WORKERS.")] = None,
    started_by: StartedBy = None,
) -> None:
    """Run the API. Needs a migrated database and Redis. If the database is unreachable, waits for it."""
    _follow(started_by)
    with importing():
        from app.processes.serving import is_loopback
        from app.processes.serving import serve as run_server
    settings = load_settings()
    _begin_log(settings, started_by)
    if settings.redis_url is None:
        raise ConfigurationError("PAYCORE_REDIS_URL is not set. For a demo with its own servers run `paycore dev`.")
    listening = host or settings.host
    if settings.uses_demo_secret and started_by is None and not is_loopback(listening):
        raise ConfigurationError(
            f"The demo secret is public: set PAYCORE_JWT_SECRET to listen on {listening}, or listen on 127.0.0.1."
        )
    run_server(settings, listening, port or settings.port, workers or settings.workers)


@app.command()
def relay(started_by: StartedBy = None) -> None:
    """Publish committed events from the outbox to Redis. Several may run: one leads, the others stand by."""
    _follow(started_by)
    with importing():
        from app.processes.outbox_relay import RELAY_ENDS_WITHIN_SECONDS, run_relay
    settings = load_settings(RelaySettings)
    _begin_log(settings, started_by)
    _run_for_long(_until_stopped(lambda stop: run_relay(settings, stop), RELAY_ENDS_WITHIN_SECONDS))


@app.command()
def worker(started_by: StartedBy = None) -> None:
    """Deliver webhooks. Any number may run. Needs a migrated database, and a relay that gives events their positions."""
    _follow(started_by)
    with importing():
        from app.processes.worker import WORKER_ENDS_WITHIN_SECONDS, run_worker
    settings = load_settings(WorkerSettings)
    _begin_log(settings, started_by)
    _run_for_long(_until_stopped(lambda stop: run_worker(settings, stop), WORKER_ENDS_WITHIN_SECONDS))


@app.command()
def listen(
    target: Annotated[str, typer.Argument(help="URL on this machine, such as http://localhost:3000/hook.")],
    wallet: Annotated[str, typer.Option(help="Id of the wallet whose entries are forwarded.")],
    token: Annotated[str, typer.Option(envvar="PAYCORE_TOKEN", help="Bearer token of a user who may see it.")],
    api: Annotated[str | None, typer.Option(help="URL of the API. Default: that of this machine's settings.")] = None,
    document: Annotated[
        Path | None, typer.Option(help="File with a subscription of your own, with the variables $wallet and $after.")
    ] = None,
) -> None:
    """Forward what a webhook for a wallet would send to a URL on this machine, signed with a secret that it prints."""
    with importing():
        from app.processes.listening import DOCUMENT, Listening, listen
    text = DOCUMENT if document is None else document.read_text(encoding="utf-8")
    url = (api or load_settings().base_url).rstrip("/")
    with contextlib.suppress(KeyboardInterrupt):
        _run(listen(Listening(url, token, wallet, target, text), typer.echo))


async def _until_stopped(work: Callable[[asyncio.Event], Awaitable[None]], seconds: int) -> None:
    """Run a process's work until SIGTERM or SIGINT. After one of them the process ends within this time, in every case."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def end() -> None:
        stop.set()
        exit_within(seconds)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, end)
    await work(stop)


@app.command()
def outbox(
    retry: Annotated[bool, typer.Option("--retry", help="Let the relay try the parked rows again.")] = False,
) -> None:
    """Show how far the relay is behind, and the parked rows, which it could not read."""
    with importing():
        from app.services.outbox import describe_outbox
    settings = _with_running_servers(load_settings(DatabaseSettings))
    for line in _run(describe_outbox(settings, retry=retry)):
        typer.echo(line)


@app.command()
def migrate(
    down: Annotated[
        str | None, typer.Option(metavar="REVISION", help="Downgrade to this revision; `base` drops all tables.")
    ] = None,
) -> None:
    """Upgrade the database to the newest revision, or downgrade it to an older one."""
    with importing():
        from app.db import migrate as migrations
        from app.db.revisions import is_newer
    settings = _with_running_servers(load_settings(DatabaseSettings))
    if down is not None:
        _run(migrations.downgrade(settings, down))
        typer.echo(f"The database is at {down}.")
        return
    reached = _run(migrations.upgrade(settings))
    typer.echo(f"The database is at {reached}{', newer than this release' if is_newer(reached) else ''}.")


@app.command()
def seed() -> None:
    """Create the demo's users, wallets and history. Running it again changes nothing."""
    with importing():
        from app.demo.seed import create_demo_data
    settings = _with_running_servers(load_settings())
    created = _run(create_demo_data(settings))
    typer.echo("The demo data was created." if created else "The demo data exists already.")


@app.command()
def token(
    subject: Annotated[str, typer.Argument(help="The user: the token's `sub`.")],
    role: Annotated[Role | None, typer.Option(help="Role of the token. Default: an ordinary user.")] = None,
    scope: Annotated[str | None, typer.Option(help="Limit the token to these scopes, separated by spaces.")] = None,
    days: Annotated[int, typer.Option(min=1, max=3650, help="Days until the token expires.")] = 30,
) -> None:
    """Print a bearer token for a user to standard output, and nothing else."""
    with importing():
        from app.access.tokens import MAX_SUBJECT_LENGTH, mint_token
    settings = load_settings()
    if not 1 <= len(subject) <= MAX_SUBJECT_LENGTH:
        raise ConfigurationError(f"A subject has 1 to {MAX_SUBJECT_LENGTH} characters.")
    typer.echo(mint_token(subject, settings, role=role and role.value, scope=scope, lifetime=timedelta(days=days)))


quota = typer.Typer(
    help="Limits on the transfers of one user. They take precedence over the limits in the settings.", no_args_is_help=True
)
app.add_typer(quota, name="quota")


@quota.command("show")
def quota_show(subject: Annotated[str, typer.Argument(help="The user: the `sub` of their tokens.")]) -> None:
    """Show a user's own limits and how much of them is used."""
    from app.services.quotas import describe_quota

    for line in _run(describe_quota(_with_running_servers(load_settings(DatabaseSettings)), subject)):
        typer.echo(line)


@quota.command("set")
def quota_set(
    subject: Annotated[str, typer.Argument(help="The user: the `sub` of their tokens.")],
    *,
    reason: Annotated[str, typer.Option(help="Reason, for the audit log.")],
    per_minute: Annotated[int | None, typer.Option(min=0, help="Transfers per minute.")] = None,
    per_day: Annotated[int | None, typer.Option(min=0, help="Transfers per day.")] = None,
    amount: Annotated[list[str] | None, typer.Option(help="Amount per day, such as USD=100.00. May be repeated.")] = None,
    clear: Annotated[bool, typer.Option("--clear", help="Remove all other limits of the user.")] = False,
) -> None:
    """Change a user's limits, from the next transfer on. The database role must own the tables."""
    from app.services.quotas import QuotaChange, set_quota

    change = QuotaChange(per_minute, per_day, tuple(amount or ()), clear=clear)
    settings = _with_running_servers(load_settings(DatabaseSettings))
    _run(set_quota(settings, subject, change, reason))
    quota_show(subject)


@app.command()
def schema() -> None:
    """Print the GraphQL schema."""
    with importing():
        from app.schema.engine.build import sdl
    typer.echo(sdl(load_settings()), nl=False)


@app.command()
def rebuild() -> None:
    """Make the read models again: the days of wallets, and the activity of users with its search.

    They follow from the ledger, so nothing can be lost. The new ones grow beside the live ones and then replace them in one
    moment; transfers, reads and workers go on. It needs room for both, and projects some thousand events a second. Run it if
    `verify` finds a fault in the read models, after an upgrade whose notes ask for it, or after words were erased from
    transactions.

    Stopped or killed, it leaves the live models alone, and the next run begins anew. One can run at a time.
    """
    with importing():
        from app.services import rebuilding
    settings = _with_running_servers(load_settings(DatabaseSettings))
    _run(rebuilding.rebuild(settings, typer.echo))


@app.command()
def verify(
    archive: Annotated[
        Path | None, typer.Option(help="The directory of archived months: read their files and compare them with their seals.")
    ] = None,
) -> None:
    """Check the whole ledger: conservation, balances, sequences, keys. Prints the findings and exits with 1 if there are any.

    Records the result in the database for /metrics and its alerts. Archived months are checked by their seals.
    """
    with importing():
        from app.services.archive import check_files
        from app.services.verification import verify_and_record
    settings = _with_running_servers(load_settings(DatabaseSettings))
    damaged = [] if archive is None else _run(check_files(settings, archive))
    verified = _run(verify_and_record(settings))
    for finding in [*damaged, *verified.findings] or ["The ledger is whole."]:
        typer.echo(finding)
    if verified.not_recorded is not None:
        typer.echo(f"The result was not recorded, so /metrics does not show it: {verified.not_recorded}.", err=True)
    if damaged or verified.findings:
        raise typer.Exit(1)


Directory = Annotated[Path, typer.Option(help="The directory of the files, on a disk that is backed up.")]
Reason = Annotated[str, typer.Option(help="Reason, for the audit log.")]


@app.command("archive")
def archive_months(
    before: Annotated[str, typer.Option(help="Archive the months before this one, such as 2025-01.")],
    directory: Directory,
    reason: Reason,
) -> None:
    """Seal months of entries, move them into files and drop them from the database. The database role must own the tables.

    Transfers go on. A run that is interrupted is continued by the next one.
    """
    with importing():
        from app.services.archive import archive, month_of
    settings = _with_running_servers(load_settings(DatabaseSettings))
    _begin_log(settings)
    count = _run(archive(settings, month_of(before), directory, reason, typer.echo))
    typer.echo(f"Archived months: {count}.")


@app.command()
def restore(month: Annotated[str, typer.Argument(help="A month such as 2025-01.")], directory: Directory, reason: Reason) -> None:
    """Put the entries of an archived month back into the database. The database role must own the tables."""
    with importing():
        from app.services.archive import month_of
        from app.services.archive import restore as restore_month
    settings = _with_running_servers(load_settings(DatabaseSettings))
    _begin_log(settings)
    seal = _run(restore_month(settings, month_of(month), directory, reason))
    typer.echo(f"Restored {seal.entries} entries of {seal.partition}.")


receipt = typer.Typer(help="Receipts of transactions.", no_args_is_help=True)
app.add_typer(receipt, name="receipt")


@receipt.command("verify")
def receipt_verify(
    file: Annotated[Path, typer.Argument(help="The receipt: a .tlog-proof file.")],
    key: Annotated[str, typer.Option(help="The public key of the log: name+id+key.")],
) -> None:
    """Check a receipt offline and print what it proves. Exits with 1 if it proves nothing. Needs no settings and no server."""
    from app.services.receipts.verifier import InvalidReceipt, check

    try:
        text = file.read_text(encoding="utf-8")
        proved = check(text, key)
    except (InvalidReceipt, UnicodeDecodeError) as error:
        typer.echo(f"NOT VALID: {error}", err=True)
        raise typer.Exit(1) from None
    typer.echo(json.dumps(proved, indent=2, ensure_ascii=False))


log = typer.Typer(help="The log of transactions and its signed checkpoints.", no_args_is_help=True)
app.add_typer(log, name="log")


@log.command("key")
def log_key(name: Annotated[str, typer.Argument(help="The log's name for all time, such as example.com/ledger.")]) -> None:
    """Make a signing key. Prints the private key to standard output, and the public key, for everyone, to standard error."""
    from app.services.receipts.notes import InvalidNote, new_signer

    try:
        signer = new_signer(name)
    except InvalidNote as error:
        raise ConfigurationError(f"A log cannot have this name: {error}.") from None
    typer.echo(signer.encode())
    typer.echo(f"The public key is {signer.verifier}", err=True)


@log.command("checkpoint")
def log_checkpoint() -> None:
    """Print the newest signed checkpoint with its cosignatures. Keep it elsewhere: it shows later that history did not change."""
    from app.services.receipts.operating import newest_checkpoint

    text = _run(newest_checkpoint(_with_running_servers(load_settings(DatabaseSettings))))
    if text is None:
        raise ConfigurationError("No checkpoint is signed yet.")
    typer.echo(text, nl=False)


@log.command("check")
def log_check(file: Annotated[Path, typer.Argument(help="A checkpoint that was kept elsewhere.")]) -> None:
    """Compare the log with a checkpoint that was kept elsewhere. Exits with 1 if the log does not extend it."""
    from app.services.receipts.operating import compare

    reason = _run(compare(_with_running_servers(load_settings(DatabaseSettings)), file.read_text(encoding="utf-8")))
    typer.echo("The log extends the checkpoint." if reason is None else f"The log does not extend the checkpoint: {reason}.")
    if reason is not None:
        raise typer.Exit(1)


@log.command("cosigned")
def log_cosigned(file: Annotated[Path, typer.Argument(help="A checkpoint with cosignatures of witnesses.")]) -> None:
    """Store the cosignatures of the witnesses in PAYCORE_LOG_WITNESSES. Others are ignored, a wrong one is refused."""
    from app.services.receipts.operating import add_cosignatures

    added = _run(add_cosignatures(_with_running_servers(load_settings(DatabaseSettings)), file.read_text(encoding="utf-8")))
    typer.echo(f"Cosignatures added: {', '.join(added) or 'none'}.")


def _begin_log(settings: Settings, started_by: Path | None = None) -> None:
    """Configure logging, and warn of variables that are not settings. What `paycore dev` starts leaves the warning to it."""
    configure_logging(settings)
    unknown = unknown_variables() if started_by is None else []
    if unknown:
        logger.warning(
            "these variables are not settings and have no effect: %s. docs/reference/settings.md lists the settings",
            ", ".join(unknown),
        )


def _follow(supervisor: Path | None) -> None:
    """End with the `paycore dev` that started this process, if one did."""
    from app.demo.embedded.processes import end_with_supervisor

    if supervisor is not None:
        end_with_supervisor()


def _with_running_servers(settings: Settings) -> Settings:
    """If no database is set, use the one of a running `paycore dev` with the same home directory."""
    from app.demo.embedded import find_running

    running = find_running(settings.home) if settings.database_url is None else None
    if running is None:
        return settings
    found: dict[str, Any] = {"database_url": SecretStr(running.database_url)}
    if settings.redis_url is None:
        found["redis_url"] = SecretStr(running.redis_url)
    return settings.model_copy(update=found)


def _run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


def _run_for_long(work: Coroutine[Any, Any, T]) -> T:
    """Run it on the event loop that the API's processes have: a write to a socket takes half the CPU."""
    with importing():
        from uvicorn.loops.auto import auto_loop_factory
    with asyncio.Runner(loop_factory=auto_loop_factory()) as runner:
        return runner.run(work)


def main() -> None:
    """Run the command line. Errors that the user can fix print one line instead of a traceback."""
    exit_on_sigterm()
    try:
        app()
    except ConfigurationError as error:
        _exit_with(str(error))
    except Exception as error:
        message = _explained(error)
        if message is None:
            raise
        _exit_with(message)


def _explained(error: Exception) -> str | None:
    """One line about an error that the user can fix. None for other errors."""
    import asyncpg
    from alembic.util.exc import CommandError

    from app.db.failures import is_unavailable

    if isinstance(error, (asyncpg.UndefinedTableError, asyncpg.InsufficientPrivilegeError)):
        return "The database is not set up for Paycore: run `paycore migrate` first."
    if isinstance(error, CommandError):
        return f"The migration failed: {error}"
    if isinstance(error, asyncpg.InvalidCatalogNameError):
        return f"{error}. Create it, or check PAYCORE_DATABASE_URL."
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename} cannot be used: {error.strerror}."
    if isinstance(error, asyncpg.InvalidAuthorizationSpecificationError) or is_unavailable(error):
        return f"The database cannot be reached: {str(error) or type(error).__name__}. Check PAYCORE_DATABASE_URL."
    return None


def _exit_with(message: str) -> NoReturn:
    sys.stderr.write(f"paycore: {' '.join(message.split())}\n")
    raise SystemExit(2)


if __name__ == "__main__":
    main()
