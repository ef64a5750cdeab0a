"""Rate limits: a fixed window per caller, counted in memory and shared between processes.

Counting never waits for I/O. `app/limits/sharing.py` adds up the counts of all processes in Redis in the background. It
only shares callers who have used a good part of their limit.
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

_MAX_CALLERS = 100_000
"""Callers counted at once. Past it, callers with low counts are dropped: they may then exceed their limit."""
_SHARE_FROM_FRACTION = 8
"""A process shares the counts of callers who have used at least 1/8 of their limit in it."""
_PRODUCTION_DEFAULTS = {"user": 100, "address": 1000, "transfers": 1000}
"""Per second, if the setting is unset and the environment is production."""


@dataclass(frozen=True, slots=True)
class RateStatus:
    """A caller's limit after a call."""

    remaining: int
    reset_seconds: int
    """Seconds until the window ends and the full limit is available again."""


class RateLimit:
    """At most `limit` calls per caller in `window_seconds`, over all processes that share their counts.

    Windows are aligned to the wall clock, so they are the same in every process.
    """

    def __init__(self, limit: int, window_seconds: float, *, name: str = "", now: Callable[[], float] = time.time) -> None:
        self.limit = limit
        self.window_seconds = window_seconds
        self.name = name
        self._now = now
        self._share_from = max(1, limit // _SHARE_FROM_FRACTION)
        self._window = -1
        self._counts: dict[str, int] = {}
        self._items: set[tuple[int, str, Hashable]] = set()
        self._shared: dict[str, int] = {}
        self._other_processes: dict[str, int] = {}

    def check_once(self, caller: str, item: Hashable) -> None:
        """Count one call, unless the caller has been counted for this item in this window. Raises RateLimited."""
        if (int(self._now() // self.window_seconds), caller, item) not in self._items:
            self.check(caller)
            if len(self._items) >= _MAX_CALLERS:
                self._items.clear()
            self._items.add((self._window, caller, item))

    def check(self, caller: str, points: int = 1) -> RateStatus:
        """Count a call that costs `points`. Raises RateLimited, with the seconds to wait, if it exceeds the limit."""
        now = self._now()
        window = int(now // self.window_seconds)
        if window != self._window:
            self._window = window
            self._counts, self._shared, self._other_processes = {}, {}, {}
        elif len(self._counts) >= _MAX_CALLERS and caller not in self._counts:
            self._drop_low_counts()
        here = self._counts.get(caller, 0) + points
        used = here + self._other_processes.get(caller, 0)
        reset_seconds = ceil((window + 1) * self.window_seconds - now)
        if used > self.limit:
            raise RateLimited(reset_seconds)
        self._counts[caller] = here
        return RateStatus(self.limit - used, reset_seconds)

    def _drop_low_counts(self) -> None:
        """Make room. Callers who have used half of the limit are kept: a flood of new callers must not reset theirs."""
        kept = {caller for caller, count in self._counts.items() if count * 2 >= self.limit}
        if len(kept) >= _MAX_CALLERS:
            kept = set()
        self._counts, self._shared, self._other_processes = (
            {caller: count for caller, count in counts.items() if caller in kept}
            for counts in (self._counts, self._shared, self._other_processes)
        )

    def unshared(self) -> tuple[int, dict[str, int]]:
        """Returns the current window, and by caller the calls in it that have not been shared yet."""
        new = {caller: count - self._shared.get(caller, 0) for caller, count in self._counts.items() if count >= self._share_from}
        return self._window, {caller: count for caller, count in new.items() if count}

    def record_totals(self, window: int, shared: Mapping[str, int], totals: Iterable[int]) -> None:
        """Record that `shared` was added to the counts of all processes, which are now `totals`, in the same order.

        Ignored if the window has ended meanwhile.
        """
        if window != self._window:
            return
        for (caller, count), total in zip(shared.items(), totals, strict=True):
            self._shared[caller] = self._shared.get(caller, 0) + count
            self._other_processes[caller] = max(0, total - self._shared[caller])


class RequestRates:
    """The limits on requests and on transfers. A limit that is switched off is None."""

    def __init__(self, settings: Settings) -> None:
        self.user = _limit(settings, "user", settings.requests_per_user_per_second)
        self.address = _limit(settings, "address", settings.requests_per_address_per_second)
        self.transfers = _limit(settings, "transfers", settings.transfers_per_user_per_second)
        self.limits = [limit for limit in (self.user, self.address, self.transfers) if limit is not None]
        """The limits in force."""

    def check_user(self, user_id: UUID) -> RateStatus | None:
        """Count one request or operation. Raises RateLimited."""
        return None if self.user is None else self.user.check(user_id.hex)

    def check_transfers(self, user_id: UUID, count: int = 1) -> None:
        """Count the transfers that one operation requests, before any of them is read. Raises RateLimited."""
        if self.transfers is not None:
            self.transfers.check(user_id.hex, count)

    def check_address(self, address: str) -> RateStatus | None:
        """Count one request. Raises RateLimited.

        An IPv6 address counts as its /64, since a host usually has all 2^64 addresses of one. IPv4 addresses count one by one,
        also in the form that a dual-stack socket reports: `::ffff:192.0.2.1`.
        """
        if self.address is None:
            return None
        return self.address.check(_network(address) if ":" in address else address)


def _limit(settings: Settings, name: str, per_second: int | None) -> RateLimit | None:
    default = _PRODUCTION_DEFAULTS[name] if settings.environment == "production" else 0
    chosen = default if per_second is None else per_second
    return RateLimit(chosen * RATE_SECONDS, RATE_SECONDS, name=name) if chosen else None


def _network(address: str) -> str:
    try:
        whole = IPv6Address(address.partition("%")[0])
        return str(whole.ipv4_mapped or IPv6Network((whole, 64), strict=False).network_address)
    except ValueError:
        return address
