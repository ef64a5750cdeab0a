"""Who asks, and with which rights. `app/access/policy.py` decides what the rights allow."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from app.access.jwks import SigningKey


class Role(StrEnum):
    """Who somebody is. SUPPORT sees what administrators see and changes nothing."""

    USER = "user"
    SUPPORT = "support"
    ADMIN = "admin"


class Right(StrEnum):
    """What one may be allowed to do."""

    SEE_OWN = "see one's own wallets and transactions"
    SEE_ALL = "see everybody's wallets and transactions, and how the ledger is"
    TRANSFER = "move money out of one's own wallets"
    OPEN_WALLET = "open wallets of one's own"
    DEPOSIT = "bring money in"
    SET_WALLET_STATUS = "freeze, close and reactivate wallets"
    MAKE_TRAFFIC = "have the demo's users pay each other"


NO_RIGHTS: frozenset[Right] = frozenset()


@dataclass(frozen=True, slots=True)
class Viewer:
    """The user behind a request, and what their token lets them do: `app/access/policy.py` says what that means."""

    user_id: UUID
    subject: str
    rights: frozenset[Right]
    expires_at: datetime
    """When the token ends; a long-lived connection ends with it."""
    key: SigningKey | None = None
    """The published key that vouches for the token, as long as it is published."""
