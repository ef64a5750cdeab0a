"""The demo's data: five users, their wallets with fixed ids, exchange rates, and 90 days of transfers made through the ledger."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from app import ids
from app.access.policy import rights_of
from app.access.viewer import Role, Viewer
from app.clock import system_clock, unix_milliseconds
from app.db import fx_sql, models
from app.db.currency_sql import load_currencies
from app.db.engine import create_engine
from app.db.fx_sql import NewRate
from app.demo import rates
from app.errors import ConfigurationError
from app.money import Currency, format_minor
from app.records import WalletKind
from app.services.transfers import DepositInput, Ledger, TransferInput, TransferResult, deposit, transfer
from app.settings import Settings
from app.telemetry import logs

_OPENED = datetime(2025, 1, 1, tzinfo=UTC)
"""The creation time of the demo's users and wallets, also in their ids."""
_FOREVER = datetime(9999, 1, 1, tzinfo=UTC)
_DAYS = 90
_TRANSFERS = 400
_REFUSED_EVERY = 25


def _fixed_id(number: int) -> UUID:
    """Returns a UUIDv7 of `_OPENED` with a small number as its random part: easy to recognise, and the same everywhere."""
    return UUID(int=unix_milliseconds(_OPENED) << 80 | 0x7 << 76 | 0b10 << 62 | number)


@dataclass(frozen=True, slots=True)
class DemoWallet:
    """A wallet with the same id in every installation of the demo."""

    id: UUID
    name: str
    currency: str

    @property
    def public_id(self) -> str:
        return ids.encode("wal", self.id)


@dataclass(frozen=True, slots=True)
class DemoUser:
    """A user of the demo. `paycore token SUBJECT` creates tokens for them."""

    id: UUID
    subject: str
    display_name: str
    wallets: tuple[DemoWallet, ...] = ()
    role: str | None = None


def _user(number: int, subject: str, display_name: str, *wallets: tuple[str, str], role: str | None = None) -> DemoUser:
    made = tuple(
        DemoWallet(_fixed_id(number * 16 + position), name, currency)
        for position, (name, currency) in enumerate(wallets, start=1)
    )
    return DemoUser(_fixed_id(number * 16), subject, display_name, made, role)


USERS = (
    _user(1, "alice", "Alice Ahlgren", ("Everyday", "USD"), ("Travel", "EUR"), ("Tokyo trip", "JPY")),
    _user(2, "bob", "Bob Baker", ("Everyday", "USD"), ("Savings", "EUR"), ("Kuwait", "KWD")),
    _user(3, "carol", "Carol Castillo", ("Household", "USD"), ("Tokyo", "JPY"), ("Dinars", "KWD")),
    _user(4, "merchant", "Blue Door Books", ("Till", "USD"), ("Kasse", "EUR"), ("レジ", "JPY"), ("Sales", "KWD")),
    _user(5, "admin", "Paycore Support", role="admin"),
)
_ADMIN = USERS[-1]
_REASONS = ("Coffee", "Lunch", "Books", "Rent share", "Concert tickets", "Groceries", "Taxi", "Birthday present", None)
# In minor units: the amount of the first deposit, and the range of an everyday transfer.
_FIRST_DEPOSIT = {"USD": 500_000, "EUR": 400_000, "JPY": 600_000, "KWD": 900_000}
AMOUNTS = {"USD": (250, 6_000), "EUR": (200, 5_000), "JPY": (300, 8_000), "KWD": (500, 12_000)}


class _DemoClock:
    """A clock for the last 90 days. It advances about a step per transfer, and never past the present."""

    def __init__(self, steps: int) -> None:
        self._end = system_clock()
        self._now = self._end - timedelta(days=_DAYS)
        self._step = timedelta(days=_DAYS) / (steps + 1)

    def __call__(self) -> datetime:
        return self._now

    def advance(self, share: float) -> None:
        """Advance by `share` of a step."""
        self._now = min(self._now + self._step * share, self._end)


async def create_demo_data(settings: Settings) -> bool:
    """Create the demo's data. Returns False if it exists already. Raises ConfigurationError in production.

    If it is interrupted, the next call resumes: ids and idempotency keys are the same every time.
    """
    if settings.environment == "production":
        raise ConfigurationError("Demo data is not for production: set PAYCORE_ENVIRONMENT=development.")
    engine = create_engine(settings)
    try:
        if await _is_seeded(engine):
            # By a release from before there were rates, perhaps.
            await _set_first_rates(engine)
            return False
        await _create_users_and_wallets(engine)
        await _set_first_rates(engine)
        currencies = await load_currencies(engine)
        clock = _DemoClock(_TRANSFERS)
        ledger = Ledger(engine, settings, currencies, clock)
        await ledger.start()
        try:
            with logs.without_transfers():
                await _make_history(ledger, currencies, clock)
        finally:
            await ledger.stop()
        return True
    finally:
        await engine.dispose()


def _key(number: int) -> str:
    return f"demo-{number:04d}"


async def _is_seeded(engine: AsyncEngine) -> bool:
    """Whether the last transfer of the history exists."""
    last = (
        select(models.Transaction.id)
        .where(models.Transaction.idempotency_key == _key(_TRANSFERS - 1))
        .where(models.Transaction.initiator_id.in_([user.id for user in USERS]))
    )
    async with engine.connect() as connection:
        return await connection.scalar(last) is not None


async def _create_users_and_wallets(engine: AsyncEngine) -> None:
    users = [{"id": user.id, "subject": user.subject, "display_name": user.display_name, "created_at": _OPENED} for user in USERS]
    wallets = [
        {
            "id": wallet.id,
            "kind": WalletKind.USER,
            "owner_id": user.id,
            "name": wallet.name,
            "currency": wallet.currency,
            "posted_at": _OPENED,
            "created_at": _OPENED,
        }
        for user in USERS
        for wallet in user.wallets
    ]
    async with engine.begin() as connection:
        await connection.execute(insert(models.User).values(users).on_conflict_do_nothing())
        subjects = [user.subject for user in USERS]
        found = await connection.execute(select(models.User.subject, models.User.id).where(models.User.subject.in_(subjects)))
        taken = sorted({(row.subject, row.id) for row in found} - {(user.subject, user.id) for user in USERS})
        if taken:
            raise ConfigurationError(f"This database has another user {taken[0][0]}: the demo needs a database of its own.")
        await connection.execute(insert(models.Wallet).values(wallets).on_conflict_do_nothing())


async def _set_first_rates(engine: AsyncEngine) -> None:
    """Set the demo's rates as its administrator, unless there are rates. Such rates do not become too old."""
    async with engine.begin() as connection:
        now = await fx_sql.lock_rates(connection)
        if await fx_sql.rates_in_force(connection, now):
            return
        for quote, rate in rates.FIRST.items():
            new = NewRate(rates.BASE, quote, rate, rates.SPREAD_BASIS_POINTS, rates.SOURCE, None)
            await fx_sql.insert_rate(connection, ids.new_id(now), new, _ADMIN.id)


async def _make_history(ledger: Ledger, currencies: Mapping[str, Currency], clock: _DemoClock) -> None:
    chance = random.Random(20260101)  # noqa: S311 - the same history every time, not a secret
    admin = _viewer(_ADMIN)
    holders = [(user, wallet) for user in USERS for wallet in user.wallets]
    for number, (_, wallet) in enumerate(holders):
        amount = format_minor(_FIRST_DEPOSIT[wallet.currency], currencies[wallet.currency].exponent)
        first_deposit = DepositInput(f"demo-deposit-{number}", wallet.public_id, amount, wallet.currency, "First deposit")
        _must_settle(await deposit(ledger, admin, first_deposit))
    for number in range(_TRANSFERS):
        payer, sender = chance.choice(holders)
        receiver = chance.choice([wallet for user, wallet in holders if wallet.currency == sender.currency and user is not payer])
        low, high = AMOUNTS[sender.currency]
        # A few exceed the balance, so that the pages also show refused transfers.
        minor = chance.randint(low, high) if number % _REFUSED_EVERY else _FIRST_DEPOSIT[sender.currency] * 10
        amount = format_minor(minor, currencies[sender.currency].exponent)
        payment = TransferInput(
            _key(number), sender.public_id, receiver.public_id, amount, sender.currency, chance.choice(_REASONS)
        )
        await transfer(ledger, _viewer(payer), payment)
        clock.advance(chance.uniform(0.2, 1.8))


def demo_viewer(number: int) -> Viewer:
    """Returns the viewer for the user at this index of USERS."""
    return _viewer(USERS[number])


def _viewer(user: DemoUser) -> Viewer:
    return Viewer(
        user_id=user.id,
        subject=user.subject,
        rights=rights_of(Role.ADMIN if user.role == "admin" else None, None),
        expires_at=_FOREVER,
    )


def _must_settle(result: TransferResult) -> None:
    assert not result.refusals, result.refusals
