"""Statements of wallets and their files."""

from __future__ import annotations

from datetime import datetime

import strawberry
from strawberry import UNSET

from app import ids, records
from app.schema.basics import Money, Node, money_of, with_id_only
from app.schema.connections import Connection, connection, page_request
from app.schema.context import Info
from app.schema.enums import StatementFormat, StatementStatus
from app.schema.scalars import BigInt
from app.schema.selections import field_selects_only_id
from app.schema.types import LedgerEntry, Wallet
from app.services.statements import creating, links, reading


@strawberry.type
class Download:
    url: str = strawberry.field(
        description="A path below the address of the API. Anyone who has it needs no token, so keep it secret."
    )
    sha256: str = strawberry.field(description="Of the file, in hexadecimal.")
    expires_at: datetime


@strawberry.type(description="A file of a statement in one format, or the reason why there is none.")
class StatementFile:
    format: StatementFormat
    bytes: BigInt
    sha256: str | None = strawberry.field(description="In hexadecimal; null if there is no file.")
    problem: str | None = strawberry.field(description="Such as an amount that the format cannot hold.")

    @staticmethod
    def of(file: records.StatementFile) -> StatementFile:
        return StatementFile(
            format=file.format,
            bytes=BigInt(file.size),
            sha256=None if file.sha256 is None else file.sha256.hex(),
            problem=file.problem,
        )


@strawberry.type(description="Numbered per wallet, 1, 2, 3 …; each starts where the one before it ended. It never changes.")
class Statement(Node):
    number: BigInt
    status: StatementStatus
    from_: datetime = strawberry.field(name="from")
    to: datetime = strawberry.field(description="Exclusive.")
    first_sequence: BigInt
    last_sequence: BigInt = strawberry.field(description="One less than firstSequence if there is no entry.")
    problem: str | None = strawberry.field(description="Why it FAILED.")
    created_at: datetime
    record: strawberry.Private[records.AccountStatement]

    @staticmethod
    def of(statement: records.AccountStatement) -> Statement:
        """The caller checks that the viewer may load the wallet."""
        return Statement(
            id=strawberry.ID(ids.encode("stm", statement.id)),
            number=BigInt(statement.number),
            status=statement.status,
            from_=statement.from_at,
            to=statement.to_at,
            first_sequence=BigInt(statement.first_sequence),
            last_sequence=BigInt(statement.last_sequence),
            problem=statement.problem,
            created_at=statement.created_at,
            record=statement,
        )

    @strawberry.field
    async def wallet(self, info: Info) -> Wallet:
        if field_selects_only_id(info):
            return with_id_only(Wallet, "wal", self.record.wallet_id)
        return Wallet.of(info, await self._wallet(info))

    @strawberry.field
    async def opening(self, info: Info) -> Money:
        return money_of(info, self.record.opening, (await self._wallet(info)).currency)

    @strawberry.field(description="Sum of its credits; null until it is READY. opening + credits - debits = closing.")
    async def credits(self, info: Info) -> Money | None:
        return await self._sum(info, self.record.credits)

    @strawberry.field(description="Sum of its debits, not negative; null until it is READY.")
    async def debits(self, info: Info) -> Money | None:
        return await self._sum(info, self.record.debits)

    @strawberry.field
    async def closing(self, info: Info) -> Money:
        return money_of(info, self.record.closing, (await self._wallet(info)).currency)

    @strawberry.field(description="In their order: oldest first.")
    async def entries(self, info: Info, first: int | None = UNSET, after: str | None = UNSET) -> Connection[LedgerEntry]:
        page, record = page_request(first, after, None, None), self.record
        found = await info.context.read(
            ("entries of statement", record.id, page), lambda database: reading.entries_of(database, record, page)
        )
        currency = (await self._wallet(info)).currency
        return connection(found, lambda entry: LedgerEntry.of(info, entry, currency))

    @strawberry.field(description="One for each format; empty until it is READY.")
    async def files(self, info: Info) -> list[StatementFile]:
        return [StatementFile.of(file) for file in await info.context.loaders.statement_files.load(self.record.id) or ()]

    @strawberry.field(
        description="Valid for minutes; the same bytes each time. Null until it is READY, if there is no file in this "
        "format, and if the service has no key for links: then REST has the files."
    )
    async def download(self, info: Info, format: StatementFormat) -> Download | None:
        files = await info.context.loaders.statement_files.load(self.record.id) or ()
        sha256 = next((file.sha256 for file in files if file.format is format), None)
        if sha256 is None:
            return None
        services = info.context.services
        link = links.link_to(services.settings, self.record.id, format, services.clock)
        return None if link is None else Download(url=link.url, sha256=sha256.hex(), expires_at=link.expires_at)

    async def _wallet(self, info: Info) -> records.Wallet:
        wallet = await info.context.loaders.wallets.load(self.record.wallet_id)
        assert wallet is not None, "a viewer who sees a statement may load its wallet"
        return wallet

    async def _sum(self, info: Info, minor: int | None) -> Money | None:
        return None if minor is None else money_of(info, minor, (await self._wallet(info)).currency)


@strawberry.input
class CreateStatementInput:
    idempotency_key: str = strawberry.field(description="As for transfers, among the viewer's statements.")
    wallet_id: strawberry.ID
    from_: datetime = strawberry.field(
        name="from",
        description="Where the one before ended; for the first one, the wallet's first entry or any time before it. "
        "Otherwise PERIOD_NOT_NEXT says where.",
    )
    to: datetime = strawberry.field(description="Exclusive, and in the past, else PERIOD_OPEN.")

    def to_service(self) -> creating.StatementInput:
        return creating.StatementInput(self.idempotency_key, self.wallet_id, self.from_, self.to)
