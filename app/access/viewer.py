"""The viewer: the caller and their rights. `app/access/policy.py` decides what the rights allow."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from app.access.jwks import SigningKey


class Role(StrEnum):
    """The kind of user. SUPPORT sees what administrators see, and is read-only. SERVICE is another program, not a person."""

    USER = "user"
    SERVICE = "service"
    SUPPORT = "support"
    ADMIN = "admin"


class Right(StrEnum):
    """An action, or a part of the data to see, that a viewer may be allowed."""

    SEE_OWN = "see own wallets and transactions"
    SEE_ALL = "see all wallets and transactions, and the state of the ledger"
    TRANSFER = "transfer money from own wallets"
    OPEN_WALLET = "open own wallets"
    DEPOSIT = "deposit money"
    POST = "post balanced sets of entries between any wallets"
    REVERSE_ANY = "reverse transactions between others, and let a wallet go below zero by it"
    OPEN_SYSTEM_WALLET = "open system wallets"
    SET_WALLET_STATUS = "freeze, close and reactivate wallets"
    PUBLISH_FEES = "publish fee schedules"
    SET_FX_RATES = "set exchange rates"
    MAKE_STATEMENTS = "make statements of the wallets that they see"
    USE_WEBHOOKS = "have own webhook endpoints"
    MAKE_TRAFFIC = "make demo users pay each other"


NO_RIGHTS: frozenset[Right] = frozenset()


@dataclass(frozen=True, slots=True)
class Viewer:
    """The user of a request and the rights of their token."""

    user_id: UUID
    subject: str
    rights: frozenset[Right]
    expires_at: datetime
    """When the token expires. Long-lived connections end then."""
    key: SigningKey | None = None
    """The published key that verified the token. Long-lived connections end when it is no longer published."""
