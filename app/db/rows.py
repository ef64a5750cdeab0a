"""Which columns make a record, and how a row becomes one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from app.db import models
from app.records import Wallet

WALLET_COLUMNS = (
    models.Wallet.id,
    models.Wallet.kind,
    models.Wallet.owner_id,
    models.Wallet.name,
    models.Wallet.currency,
    models.Wallet.balance,
    models.Wallet.held,
    models.Wallet.sequence,
    models.Wallet.status,
    models.Wallet.version,
    models.Wallet.posted_at,
    models.Wallet.created_at,
)


def wallet_of(row: Sequence[Any]) -> Wallet:
    """The wallet of a row of WALLET_COLUMNS."""
    return Wallet(*row)
