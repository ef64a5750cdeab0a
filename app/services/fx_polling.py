"""Polling a feed of exchange rates: what it says becomes rates, and what is wrong with it becomes log lines and metrics."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NoReturn

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from app import ids
from app.backoff import Backoff
from app.clock import Clock, system_clock
from app.db import fx_sql
from app.db.currency_sql import load_currencies
from app.db.failures import DATABASE_ERRORS
from app.errors import RequestTimeout
from app.money import Currency, is_currency_code
from app.services.fx_feed_rules import Decision, FeedRules, Reason, Refused, check_moment, decide, worth_of
from app.services.fx_feeds import FeedAnswer, FeedError, RateFeed
from app.services.fx_rates import rate_text
from app.settings import Settings
from app.telemetry import metrics

logger = logging.getLogger(__name__)

_FIRST_RETRY_SECONDS = 1.0
_READ_SECONDS = 10.0
"""Longest wait for any feed, whatever limits it has of its own."""
_NAMED = 10
"""Unknown currencies that a log line names."""


class Outcome(StrEnum):
    """How a poll ended."""

    TAKEN = "taken"
    """At least one rate was taken, or is still the same."""
    REFUSED = "refused"
    """All rates were."""
    STALE = "stale"
    """The answer is about a moment too long ago, or about the future."""
    FAILED = "failed"
    """There was no answer, or none that can be read."""
    NOT_STORED = "not_stored"
    """The database did not answer."""


# Created at the start: Prometheus does not see an increase in a series that appears with the value 1.
_POLLS = {outcome: metrics.FX_FEED_POLLS.labels(outcome.value) for outcome in Outcome}
_REFUSED = {reason: metrics.FX_FEED_REFUSED.labels(reason.value) for reason in Reason}


class RatePolling:
    """The polling of one feed. It never gives up: whatever fails, the next poll follows."""

    def __init__(
        self,
        feed: RateFeed,
        engine: AsyncEngine,
        settings: Settings,
        *,
        seconds: float | None = None,
        clock: Clock = system_clock,
    ) -> None:
        self._feed = feed
        self._engine = engine
        self._seconds = seconds or settings.fx_feed_seconds
        self._clock = clock
        self._rules = FeedRules(
            settings.fx_feed_spread_basis_points,
            settings.fx_max_step_percent,
            timedelta(seconds=settings.fx_max_rate_age_seconds),
        )
        self._currencies: Mapping[str, Currency] = {}
        self._newest_at = clock()
        """The moment of the newest answer that was taken; before the first one, the start."""
        self._problem: str | None = None
        self._reasons: dict[str, Reason] = {}
        """Why rates were refused in the last answer, by currency."""

    async def run(self) -> NoReturn:
        """Poll until cancelled."""
        metrics.FX_FEED_AGE.set_function(self.age_seconds)
        try:
            retry = Backoff(min(_FIRST_RETRY_SECONDS, self._seconds), self._seconds)
            while True:
                if await self.poll() in (Outcome.FAILED, Outcome.NOT_STORED):
                    await asyncio.sleep(retry.next())
                else:
                    retry.reset()
                    await asyncio.sleep(self._seconds)
        finally:
            metrics.FX_FEED_AGE.set_function(_no_age)

    def age_seconds(self) -> float:
        """Seconds since the moment of the newest answer that was taken."""
        return max(0.0, (self._clock() - self._newest_at).total_seconds())

    async def poll(self) -> Outcome:
        """Ask the feed once. Raises nothing but a cancellation."""
        outcome, problem = Outcome.FAILED, None
        # Before the read: a process that was suspended in between must not take the answer for news.
        asked_at = self._clock()
        try:
            answer = await self._read()
            outcome = Outcome.NOT_STORED
            outcome = await self._take(answer, answer.at or asked_at)
        except _Stale as error:
            outcome, problem = Outcome.STALE, str(error)
        except FeedError as error:
            outcome, problem = Outcome.FAILED, str(error)
        except (*DATABASE_ERRORS, SQLAlchemyError, RequestTimeout) as error:
            problem = f"the database does not store them: {type(error).__name__}"
        except Exception as error:
            problem = type(error).__name__
            logger.exception("a poll of the feed of exchange rates failed unexpectedly")
        self._report(problem)
        _POLLS[outcome].inc()
        return outcome

    async def _read(self) -> FeedAnswer:
        try:
            async with asyncio.timeout(_READ_SECONDS):
                return await self._feed.read()
        except TimeoutError:
            raise FeedError("it does not answer") from None

    async def _take(self, answer: FeedAnswer, at: datetime) -> Outcome:
        """Store the rates that the rules take, in one transaction."""
        self._currencies = self._currencies or await load_currencies(self._engine)
        async with self._engine.begin() as connection:
            now = await fx_sql.lock_rates(connection)
            try:
                check_moment(at, now, self._rules)
            except FeedError as error:
                raise _Stale(str(error)) from None
            decision = decide(answer, await fx_sql.rates_in_force(connection, now), self._currencies, self._rules, now)
            if decision.new:
                await fx_sql.insert_rates_of_feed(connection, [(ids.new_id(now), new) for new in decision.new])
        self._report_refused(answer, decision)
        if not decision.new and not decision.kept:
            return Outcome.REFUSED
        self._newest_at = at
        return Outcome.TAKEN

    def _report(self, problem: str | None) -> None:
        """Log a problem with the feed once, and its end."""
        if problem is not None and problem != self._problem:
            logger.warning("the feed of exchange rates gives none: %s. Its last rates are used until they are too old", problem)
        elif problem is None and self._problem is not None:
            logger.info("the feed of exchange rates gives rates again")
        self._problem = problem

    def _report_refused(self, answer: FeedAnswer, decision: Decision) -> None:
        """Count the refused rates, and log each when its reason is new."""
        for refused in decision.refused:
            _REFUSED[refused.reason].inc()
            if refused.reason is not Reason.UNKNOWN_CURRENCY and self._reasons.get(refused.quote) is not refused.reason:
                logger.error("%s", _described(answer.base, refused))
        unknown = _unknown(self._reasons)
        self._reasons = {refused.quote: refused.reason for refused in decision.refused}
        if _unknown(self._reasons) not in ([], unknown):
            # A feed of all currencies is no fault.
            names = [name for name in _unknown(self._reasons) if is_currency_code(name)]
            logger.warning(
                "the feed of exchange rates has %d currencies that this installation does not: %s",
                len(_unknown(self._reasons)),
                ", ".join(names[:_NAMED]) or "none is the code of a currency",
            )


class _Stale(Exception):
    """The answer is about a moment that is too long ago, or in the future."""


def _unknown(reasons: Mapping[str, Reason]) -> Sequence[str]:
    return sorted(quote for quote, reason in reasons.items() if reason is Reason.UNKNOWN_CURRENCY)


def _described(base: str, refused: Refused) -> str:
    """The log line of a refused rate. The currency is a known one, so it holds nothing that a feed made up."""
    begin = f"refused the feed's rate from {base} to {refused.quote}, and kept the one before"
    match refused.reason:
        case Reason.STEP_TOO_LARGE:
            assert refused.rate is not None
            assert refused.previous is not None
            before = f"{float(worth_of(refused.previous, base)):.10g}"
            return (
                f"{begin}: {rate_text(refused.rate)} is too far from {before}, the rate in force. If the market has moved, set "
                "the rate by setFxRate: the next poll compares with that"
            )
        case Reason.NOT_POSITIVE:
            return f"{begin}: it is zero or negative"
        case Reason.TOO_MANY_DIGITS:
            return f"{begin}: it has more than 15 digits before or behind the point"
        case _:
            return f"{begin}: it is not a number"


def _no_age() -> float:
    return 0.0
