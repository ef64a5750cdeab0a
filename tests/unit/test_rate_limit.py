"""Rate limits: a window per caller, the time to wait, and counts shared between processes."""

from __future__ import annotations

import pytest

from app.errors import RateLimited
from app.limits import rates as rate_limit
from app.limits.rates import RateLimit, RequestRates
from app.settings import load_settings


def used_up(limit: RateLimit, caller: str, most: int = 1000) -> int:
    """Returns the number of calls allowed until one is refused."""
    for count in range(most):
        try:
            limit.check(caller)
        except RateLimited:
            return count
    return most


def test_a_caller_past_the_limit_gets_the_seconds_to_wait_and_others_are_not_affected() -> None:
    moment = [90.0]
    limit = RateLimit(2, 60, now=lambda: moment[0])
    assert [limit.check("alice").remaining for _ in range(2)] == [1, 0]
    with pytest.raises(RateLimited) as refused:
        limit.check("alice")
    assert refused.value.extensions == {"code": "RATE_LIMITED", "retryAfterSeconds": 30}
    limit.check("bob")
    moment[0] += 30
    assert limit.check("alice").reset_seconds == 60


def share(totals: dict[str, int], limit: RateLimit) -> None:
    """Adds the counts up as Redis does."""
    window, unshared = limit.unshared()
    for caller, count in unshared.items():
        totals[f"{window}{caller}"] = totals.get(f"{window}{caller}", 0) + count
    limit.record_totals(window, unshared, [totals[f"{window}{caller}"] for caller in unshared])


def test_processes_that_share_their_counts_apply_one_limit_together() -> None:
    moment, totals = [0.0], dict[str, int]()
    one, two = (RateLimit(100, 10, now=lambda: moment[0]) for _ in range(2))
    for _ in range(40):
        one.check("alice")
        two.check("alice")
        share(totals, one)
        share(totals, two)
    # The last call of the other process has not been read yet.
    assert used_up(one, "alice") == 21
    share(totals, one)
    # A process reads the totals only when it has counts of its own to share.
    two.check("alice")
    share(totals, two)
    assert used_up(two, "alice") == 0
    assert used_up(two, "bob") == 100
    moment[0] = 10.0
    assert used_up(two, "alice") == 100


def test_low_counts_are_not_shared_and_totals_of_an_ended_window_are_ignored() -> None:
    moment = [0.0]
    limit = RateLimit(80, 10, now=lambda: moment[0])
    for _ in range(9):
        limit.check("alice")
    assert limit.unshared() == (0, {})
    limit.check("alice")
    window, unshared = limit.unshared()
    assert (window, unshared) == (0, {"alice": 10})
    moment[0] = 10.0
    limit.check("alice")
    limit.record_totals(window, unshared, [80])
    assert used_up(limit, "alice") == 79


def test_a_flood_of_callers_does_not_reset_the_count_of_one_past_half_of_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate_limit, "_MAX_CALLERS", 50)
    limit = RateLimit(10, 10, now=lambda: 0.0)
    assert used_up(limit, "attacker") == 10
    for number in range(500):
        limit.check(f"stranger {number}")
    assert used_up(limit, "attacker") == 0
    assert len(limit._counts) <= 50
    # Memory is bounded even if all callers are past half of the limit.
    for number in range(100):
        used_up(limit, f"busy {number}")
    assert len(limit._counts) <= 51


def test_requests_are_limited_by_default_only_in_production() -> None:
    production = {
        "environment": "production",
        "database_url": "postgresql://db/x",
        "redis_url": "redis://r",
        "jwt_secret": "s" * 32,
    }
    assert [limit.limit for limit in RequestRates(load_settings(**production)).limits] == [1000, 10_000, 10_000]
    off = dict.fromkeys(("requests_per_user_per_second", "requests_per_address_per_second", "transfers_per_user_per_second"), 0)
    assert RequestRates(load_settings(**production, **off)).limits == []
    assert RequestRates(load_settings(environment="test")).limits == []


def test_the_ipv6_addresses_of_a_network_count_as_one_caller_and_ipv4_addresses_one_by_one() -> None:
    rates = RequestRates(load_settings(environment="test", requests_per_address_per_second=1))
    for number in range(10):
        rates.check_address(f"2001:db8:1:2::{number:x}")
    with pytest.raises(RateLimited):
        rates.check_address("2001:db8:1:2:ffff::1%eth0")
    rates.check_address("2001:db8:1:3::1")
    # The form in which a dual-stack socket reports IPv4 addresses. They are not one network.
    for number in range(1, 40):
        rates.check_address(f"::ffff:192.0.2.{number}")
    for _ in range(9):
        rates.check_address("192.0.2.1")
    with pytest.raises(RateLimited):
        rates.check_address("::ffff:192.0.2.1")
    rates.check_address("not:an:address")
