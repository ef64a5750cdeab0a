"""A shop for tests of holds: Alice, who pays, Bob, who is paid, a service account and an administrator."""

from __future__ import annotations

from typing import Any

from app import ids
from app.access.policy import rights_of
from app.access.viewer import Role, Viewer
from app.errors import RefusalCode
from app.records import Hold
from app.services.holds import (
    CaptureInput,
    ExtendInput,
    HoldResult,
    PlaceInput,
    ReleaseInput,
    capture_hold,
    extend_hold,
    place_hold,
    release_hold,
)
from app.services.identity import find_or_create_user
from app.services.transfers import Ledger
from tests.bank import _FAR, Bank, new_key

DAY = 24 * 60 * 60


class Shop:
    """Alice has 100 dollars, Bob has 5."""

    def __init__(self, bank: Bank) -> None:
        self.bank = bank
        self.ledger = bank.ledger

    async def build(self) -> Shop:
        self.alice, self.bob = await self.bank.viewer("alice"), await self.bank.viewer("bob")
        self.admin = await self.bank.viewer("admin", admin=True)
        user_id = await find_or_create_user(self.bank.engine, "card-network", self.bank.clock)
        self.service = Viewer(user_id=user_id, subject="card-network", rights=rights_of(Role.SERVICE, None), expires_at=_FAR)
        self.mine = await self.bank.wallet(self.alice, balance="100.00")
        self.theirs = await self.bank.wallet(self.bob, balance="5.00")
        return self

    async def place(
        self, amount: str = "60.00", *, viewer: Viewer | None = None, ledger: Ledger | None = None, **more: Any
    ) -> HoldResult:
        """Place a hold as Alice in favour of Bob's wallet, for a day."""
        details = PlaceInput(
            idempotency_key=more.pop("key", None) or new_key(),
            wallet_id=more.pop("wallet", self.mine),
            amount=(amount, more.pop("currency", "USD")),
            receiver_wallet_id=more.pop("receiver", self.theirs),
            expires_in=more.pop("expires_in", DAY),
            **more,
        )
        return await place_hold(ledger or self.ledger, viewer or self.alice, details)

    async def placed(self, amount: str = "60.00", **more: Any) -> str:
        """Place a hold that must succeed. Returns its public id."""
        found = await self.place(amount, **more)
        assert codes(found) == []
        assert found.hold is not None
        return ids.encode("hld", found.hold.id)

    async def capture(
        self, hold_id: str, amount: str | None = None, *, viewer: Viewer | None = None, ledger: Ledger | None = None, **more: Any
    ) -> HoldResult:
        """Capture as Bob."""
        details = CaptureInput(
            idempotency_key=more.pop("key", None) or new_key(),
            hold_id=hold_id,
            amount=None if amount is None else (amount, more.pop("currency", "USD")),
            receiver_wallet_id=more.pop("receiver", None),
            keep_remaining=more.pop("keep", False),
            **more,
        )
        return await capture_hold(ledger or self.ledger, viewer or self.bob, details)

    async def release(
        self, hold_id: str, amount: str | None = None, *, viewer: Viewer | None = None, ledger: Ledger | None = None, **more: Any
    ) -> HoldResult:
        """Release as Bob."""
        details = ReleaseInput(more.pop("key", None) or new_key(), hold_id, None if amount is None else (amount, "USD"), **more)
        return await release_hold(ledger or self.ledger, viewer or self.bob, details)

    async def extend(
        self, hold_id: str, by: str | None = None, *, viewer: Viewer | None = None, ledger: Ledger | None = None, **more: Any
    ) -> HoldResult:
        """Extend as Alice."""
        details = ExtendInput(more.pop("key", None) or new_key(), hold_id, None if by is None else (by, "USD"), **more)
        return await extend_hold(ledger or self.ledger, viewer or self.alice, details)

    async def funds(self, wallet_id: str | None = None) -> tuple[int, int]:
        """The balance and what is held of a wallet, by default Alice's, as they are stored, in cents."""
        async with self.bank.engine.connect() as connection:
            query = f"SELECT balance, held FROM wallets WHERE id = '{ids.decode('wal', wallet_id or self.mine)}'"
            row = (await connection.exec_driver_sql(query)).one()
        return int(row.balance), int(row.held)


def codes(found: HoldResult) -> list[tuple[RefusalCode, str]]:
    """The refusals with their fields."""
    return [(refusal.code, refusal.path[-1]) for refusal in found.result.refusals]


def sums(hold: Hold | None) -> tuple[str, int, int, int]:
    """Status, captured, released and remaining."""
    assert hold is not None
    return hold.status.value, hold.captured, hold.released, hold.remaining
