"""How often one may ask: fixed windows for each caller, counted here and shared between processes by what is told.

Counting never waits for anything. `app/limits/sharing.py` tells the other processes of callers who ask a lot, and
learns what those have counted; a caller far below the limit is nobody else's news.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv6Address, IPv6Network
from math import ceil
from uuid import UUID

from app.errors import RateLimited
from app.settings import RATE_SECONDS, Settings

_REMEMBERED = 100_000
"""Callers counted at once; past that those who have asked little are forgotten, which errs on the generous side."""
_TELL_PAST_SHARE = 8
"""What is told to other processes: callers who have used an eighth of their limit in this one."""
_IN_PRODUCTION = {"user": 100, "address": 1000, "transfers": 1000}
"""In a second, where the settings say nothing."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a caller stands after a call."""

    remaining: int
    reset_seconds: int
    """Until the window ends and the limit is whole again."""


class RateLimit:
    """At most `limit` calls of each caller in `window_seconds`, over all processes that share what they count.

    Windows are those of the wall clock, the same for every process.
    """

    def __init__(self, limit: int, window_seconds: float, *, name: str = "", now: Callable[[], float] = time.time) -> None:
        self.limit = limit
        self.window_seconds = window_seconds
        self.name = name
        self._now = now
        self._tell_from = max(1, limit // _TELL_PAST_SHARE)
        self._window = -1
        self._counted: dict[str, int] = {}
        self._about: set[tuple[int, str, Hashable]] = set()
        self._told: dict[str, int] = {}
        self._elsewhere: dict[str, int] = {}

    def check_once(self, caller: str, about: Hashable) -> None:
        """Count one call, unless this caller's calls in this window had one about the same. Raises RateLimited."""
        if (int(self._now() // self.window_seconds), caller, about) not in self._about:
            self.check(caller)
            if len(self._about) >= _REMEMBERED:
                self._about.clear()
            self._about.add((self._window, caller, about))

    def check(self, caller: str, points: int = 1) -> Standing:
        """Count one call, or what one costs. Raises RateLimited, with the seconds to wait, past the limit."""
        now = self._now()
        window = int(now // self.window_seconds)
        if window != self._window:
            self._window = window
            self._counted, self._told, self._elsewhere = {}, {}, {}
        elif len(self._counted) >= _REMEMBERED and caller not in self._counted:
            self._forget_most()
        here = self._counted.get(caller, 0) + points
        used = here + self._elsewhere.get(caller, 0)
        reset_seconds = ceil((window + 1) * self.window_seconds - now)
        if used > self.limit:
            raise RateLimited(reset_seconds)
        self._counted[caller] = here
        return Standing(self.limit - used, reset_seconds)

    def _forget_most(self) -> None:
        """Make room, and spare whoever has used half of the limit: no crowd of strangers gives them a new one."""
        spared = {caller for caller, count in self._counted.items() if count * 2 >= self.limit}
        if len(spared) >= _REMEMBERED:
            spared = set()
        self._counted, self._told, self._elsewhere = (
            {caller: count for caller, count in counts.items() if caller in spared}
            for counts in (self._counted, self._told, self._elsewhere)
        )

    def untold(self) -> tuple[int, dict[str, int]]:
        """The present window, and the calls in it that other processes have yet to hear of, by caller."""
        news = {caller: count - self._told.get(caller, 0) for caller, count in self._counted.items() if count >= self._tell_from}
        return self._window, {caller: count for caller, count in news.items() if count}

    def learn(self, window: int, told: Mapping[str, int], totals: Iterable[int]) -> None:
        """What all processes together have counted, now that they have been told of these calls."""
        if window != self._window:
            return
        for (caller, count), total in zip(told.items(), totals, strict=True):
            self._told[caller] = self._told.get(caller, 0) + count
            self._elsewhere[caller] = max(0, total - self._told[caller])


class RequestRates:
    """The limits on requests and on what they ask of the ledger; None where there is none."""

    def __init__(self, settings: Settings) -> None:
        self.user = _limit(settings, "user", settings.requests_per_user_per_second)
        self.address = _limit(settings, "address", settings.requests_per_address_per_second)
        self.transfers = _limit(settings, "transfers", settings.transfers_per_user_per_second)
        self.limits = [limit for limit in (self.user, self.address, self.transfers) if limit is not None]
        """Those that there are."""

    def check_user(self, user_id: UUID) -> Standing | None:
        """Count one request or operation. Raises RateLimited."""
        return None if self.user is None else self.user.check(user_id.hex)

    def check_transfers(self, user_id: UUID, count: int = 1) -> None:
        """Count what one operation asks of the ledger, before anything of it is looked at. Raises RateLimited."""
        if self.transfers is not None:
            self.transfers.check(user_id.hex, count)

    def check_address(self, address: str) -> Standing | None:
        """Count one request. Raises RateLimited. Whoever has an IPv6 address has 2^64 of them: those count as one.

        An IPv4 address is itself, also as a socket that listens on both kinds tells it: `::ffff:192.0.2.1`.
        """
        if self.address is None:
            return None
        return self.address.check(_network(address) if ":" in address else address)


def _limit(settings: Settings, name: str, per_second: int | None) -> RateLimit | None:
    chosen = per_second if per_second is not None else _IN_PRODUCTION[name] if settings.environment == "production" else 0
    return RateLimit(chosen * RATE_SECONDS, RATE_SECONDS, name=name) if chosen else None


def _network(address: str) -> str:
    try:
        whole = IPv6Address(address.partition("%")[0])
        return str(whole.ipv4_mapped or IPv6Network((whole, 64), strict=False).network_address)
    except ValueError:
        return address
