"""Reading statements that a viewer may see: those of the wallets that the viewer may load."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator, Collection, Mapping
from typing import Final
from uuid import UUID

from app import ids
from app.access import policy
from app.access.viewer import Viewer
from app.db import archive_sql, statement_file_sql, statement_sql
from app.db.statements import Reader
from app.errors import Archived
from app.paging.pages import Page, PageRequest
from app.records import AccountStatement, Entry, StatementFile, StatementFormat, Wallet
from app.services.reading import empty_page, load_wallets, page_of, page_window

_HIGHEST = 2**63 - 1
EXTENSIONS: Final[Mapping[StatementFormat, str]] = {
    StatementFormat.CSV: "csv",
    StatementFormat.JSON: "json",
    StatementFormat.CAMT_053: "xml",
    StatementFormat.MT940: "sta",
    StatementFormat.PDF: "pdf",
}
FORMATS: Final[Mapping[str, StatementFormat]] = {extension: format_ for format_, extension in EXTENSIONS.items()}
MEDIA_TYPES: Final[Mapping[StatementFormat, str]] = {
    StatementFormat.CSV: "text/csv; charset=utf-8; header=present",
    StatementFormat.JSON: "application/json",
    StatementFormat.CAMT_053: "application/xml",
    StatementFormat.MT940: "text/plain; charset=us-ascii",
    StatementFormat.PDF: "application/pdf",
}


async def load_statements(database: Reader, viewer: Viewer, statement_ids: Collection[UUID]) -> dict[UUID, AccountStatement]:
    """Statements by id, only those of wallets that the viewer may load."""
    if not policy.may_view(viewer):
        return {}
    found = await statement_sql.statements_by_id(database, statement_ids)
    wallets = await load_wallets(database, viewer, {one.wallet_id for one in found.values()})
    return {id_: one for id_, one in found.items() if one.wallet_id in wallets}


async def statement_of(database: Reader, wallet: Wallet, number: int) -> AccountStatement | None:
    """A wallet's statement with this number. Does not check the viewer: pass only a wallet that the viewer may load."""
    return await statement_sql.statement_by_number(database, wallet.id, number)


async def linked_statement(database: Reader, statement_id: UUID) -> AccountStatement | None:
    """A statement by its id, for the bearer of a link that was signed for it."""
    return (await statement_sql.statements_by_id(database, [statement_id])).get(statement_id)


async def load_files(database: Reader, statement_ids: Collection[UUID]) -> dict[UUID, tuple[StatementFile, ...]]:
    """The files of statements. Does not check the viewer: pass only statements that the viewer may see."""
    return await statement_sql.files_of(database, statement_ids)


async def content_of(reader: Reader, file: StatementFile) -> AsyncIterator[bytes]:
    """The content of a file, part by part. Each is read when the one before has been used.

    Not in `files.py`: an API process that hands out files does not load what encodes them, 35 MB.
    """
    for number in range(1, file.parts + 1):
        yield zlib.decompress(await statement_file_sql.part(reader, file.statement_id, file.format, number))


async def statements_of(database: Reader, viewer: Viewer, wallet: Wallet, page: PageRequest) -> Page[AccountStatement]:
    """A wallet's statements, newest first. Empty if the viewer may not load the wallet."""
    if not policy.may_load_wallet(viewer, wallet):
        return empty_page()
    scope = f"statements of {wallet.id}"
    found = await statement_sql.list_statements(database, wallet.id, page_window(page, scope, highest=_HIGHEST))
    return page_of(found, page, scope, lambda statement: statement.number)


async def entries_of(database: Reader, statement: AccountStatement, page: PageRequest) -> Page[Entry]:
    """A statement's entries, oldest first. Does not check the viewer: pass only a statement that the viewer may see.

    Raises Archived if some of them are in files.
    """
    scope = f"entries of statement {statement.id}"
    window = page_window(page, scope, highest=_HIGHEST)
    after = statement.first_sequence - 1 if window.after is None else window.after
    after = max(after, statement.first_sequence - 1)
    found = await statement_sql.list_entries(database, statement, after, window.limit)
    last = min(after + window.limit, statement.last_sequence)
    if len(found) < last - after and await archive_sql.has_archived(database, statement.wallet_id, after + 1, last):
        raise Archived
    return page_of(found, page, scope, lambda entry: entry.sequence)


def file_name(statement: AccountStatement, format_: StatementFormat) -> str:
    """The name under which a file is saved."""
    return f"statement-{ids.encode('wal', statement.wallet_id)}-{statement.number}.{EXTENSIONS[format_]}"
