"""The dependencies of the use cases, built once by `create_app` and passed down."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from app.clock import Clock
from app.db.pool import Database
from app.limits.rates import RateLimit, RequestRates
from app.limits.sharing import RateLimitSharing
from app.money import Currency
from app.services.identity import Identities
from app.services.live import LiveUpdates
from app.services.transfers import Ledger
from app.settings import Settings


@dataclass(frozen=True, slots=True)
class Services:
    """Everything that a request may use."""

    settings: Settings
    clock: Clock
    engine: Database
    currencies: Mapping[str, Currency]
    identities: Identities
    ledger: Ledger
    live: LiveUpdates
    party_lookups: RateLimit
    query_budget: RateLimit
    rates: RequestRates
    sharing: RateLimitSharing
