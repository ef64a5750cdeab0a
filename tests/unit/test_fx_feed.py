"""A feed of exchange rates: what its document says, exactly, and what is taken of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from app.records import FxRate
from app.services.fx_feed_rules import FeedRules, Reason, check_moment, decide
from app.services.fx_feeds import FeedAnswer, FeedError, parse_document

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
ADMIN = UUID(int=1)
CURRENCIES = {"USD", "EUR", "JPY", "KWD"}
RULES = FeedRules(spread_basis_points=25, max_step_percent=Decimal(10), max_age=timedelta(minutes=15))


def ago(**time: float) -> datetime:
    return NOW - timedelta(**time)


A_MINUTE_AGO = ago(minutes=1)


def in_force(rate: str, pair: str = "USD/EUR", *, at: datetime = A_MINUTE_AGO, by: UUID | None = None, **more: Any) -> FxRate:
    """A rate that was set at that moment: by a feed, or by an administrator."""
    base, quote = pair.split("/")
    values = {"spread_basis_points": 25, "source": "a feed", **more}
    return FxRate(id=UUID(int=7), number=1, base=base, quote=quote, rate=Decimal(rate), valid_from=at, initiator_id=by, **values)


def document(rates: str, **more: str) -> bytes:
    members = {"base": '"USD"', "rates": rates, **more}
    return ("{" + ", ".join(f'"{name}": {value}' for name, value in members.items()) + "}").encode()


def decided(value: str, *previous: FxRate, at: datetime | None = None) -> Any:
    """The decision on a document in which a dollar is worth that many euros and 150 yen."""
    answer = parse_document(document(f'{{"EUR": {value}, "JPY": 150}}'), "rates.example")
    return decide(FeedAnswer(answer.source, answer.base, answer.rates, at), previous, CURRENCIES, RULES, NOW)


def outcome(value: str, *previous: FxRate, at: datetime | None = None) -> Reason | str:
    decision = decided(value, *previous, at=at)
    # The others of the same document are taken, whatever is wrong with one.
    assert "JPY" in [new.quote for new in decision.new]
    reasons = [refused.reason for refused in decision.refused]
    return reasons[0] if reasons else "kept" if "EUR" in decision.kept else "new"


NONSENSE = [
    ("null", Reason.NOT_A_NUMBER),
    ("true", Reason.NOT_A_NUMBER),
    ("[0.92]", Reason.NOT_A_NUMBER),
    ('{"rate": 0.92}', Reason.NOT_A_NUMBER),
    ("NaN", Reason.NOT_A_NUMBER),
    ("Infinity", Reason.NOT_A_NUMBER),
    ("-Infinity", Reason.NOT_A_NUMBER),
    ('""', Reason.NOT_A_NUMBER),
    ('"NaN"', Reason.NOT_A_NUMBER),
    ('"sNaN"', Reason.NOT_A_NUMBER),
    ('"Infinity"', Reason.NOT_A_NUMBER),
    ('"0,92"', Reason.NOT_A_NUMBER),
    ('" 0.92"', Reason.NOT_A_NUMBER),
    ('"0_92"', Reason.NOT_A_NUMBER),
    ('"\u0660.\u0669\u0662"', Reason.NOT_A_NUMBER),
    ("1e9999", Reason.NOT_A_NUMBER),
    (f'"{"9" * 5000}"', Reason.NOT_A_NUMBER),
    ("0", Reason.NOT_POSITIVE),
    ("0.000", Reason.NOT_POSITIVE),
    ("-0", Reason.NOT_POSITIVE),
    ("0e500", Reason.NOT_POSITIVE),
    ("-0.92", Reason.NOT_POSITIVE),
    ('"-0.92"', Reason.NOT_POSITIVE),
    ("0.1234567890123456", Reason.TOO_MANY_DIGITS),
    ("1e-16", Reason.TOO_MANY_DIGITS),
    ("1000000000000000", Reason.TOO_MANY_DIGITS),
    ("1e15", Reason.TOO_MANY_DIGITS),
    ("1e999", Reason.TOO_MANY_DIGITS),
    ("9" * 100, Reason.TOO_MANY_DIGITS),
]


@pytest.mark.parametrize(("value", "reason"), NONSENSE, ids=[value[:20] for value, _ in NONSENSE])
@pytest.mark.parametrize("previous", [(), (in_force("0.92"),)], ids=["the first", "a later one"])
def test_a_rate_that_makes_no_sense_is_refused_and_the_others_are_taken(value, reason, previous):
    assert outcome(value, *previous) is reason


@pytest.mark.parametrize(
    ("value", "rate"),
    [
        ("0.1", "0.1"),
        ('"0.1"', "0.1"),
        ("151", "151"),
        ("0.12345678901234567000000e2", "12.345678901234567"),
        ("1.5e2", "150"),
        ("0.123456789012345000000000", "0.123456789012345"),
        ("999999999999999.123456789012345", "999999999999999.123456789012345"),
        ("1e-15", "0.000000000000001"),
        # As a float the next two are the same.
        ("0.100000000000001", "0.100000000000001"),
        ("123456789012345.000000000000001", "123456789012345.000000000000001"),
    ],
)
def test_a_number_is_taken_to_its_last_digit(value, rate):
    (euro,) = [new for new in decided(value).new if new.quote == "EUR"]
    assert euro.rate == Decimal(rate)
    assert (euro.base, euro.spread_basis_points, euro.source, euro.valid_from) == ("USD", 25, "rates.example", None)


STEPS = [
    ("1.012", "0.92", "USD/EUR", "new"),
    ("1.0120001", "0.92", "USD/EUR", Reason.STEP_TOO_LARGE),
    ("0.828", "0.92", "USD/EUR", "new"),
    ("0.8279999", "0.92", "USD/EUR", Reason.STEP_TOO_LARGE),
    ("920000000", "0.92", "USD/EUR", Reason.STEP_TOO_LARGE),
    ("0.00000000092", "0.92", "USD/EUR", Reason.STEP_TOO_LARGE),
    # Set in the other direction: a dollar is worth 0.8 euros.
    ("0.88", "1.25", "EUR/USD", "new"),
    ("0.8800001", "1.25", "EUR/USD", Reason.STEP_TOO_LARGE),
    ("1.25", "1.25", "EUR/USD", Reason.STEP_TOO_LARGE),
]


@pytest.mark.parametrize(
    ("value", "previous", "expected"), [(value, (rate, pair), reason) for value, rate, pair, reason in STEPS]
)
@pytest.mark.parametrize("by", [None, ADMIN], ids=["a feed's", "an administrator's"])
@pytest.mark.parametrize("age", [timedelta(seconds=5), timedelta(days=30)], ids=["recent", "old"])
def test_a_step_from_the_rate_in_force_has_a_limit(value, previous, expected, by, age):
    assert outcome(value, in_force(*previous, by=by, at=NOW - age)) == expected


def test_after_an_administrator_has_set_the_rate_the_next_answer_is_compared_with_that():
    assert outcome("1.5", in_force("0.92")) is Reason.STEP_TOO_LARGE
    assert outcome("1.5", in_force("1.48", by=ADMIN)) == "new"


def test_the_first_rate_of_two_currencies_is_taken():
    assert outcome("123456") == "new"


def test_a_currency_that_is_not_known_is_refused_and_an_unknown_base_spoils_the_answer():
    answer = FeedAnswer("a feed", "USD", {"XXX": Decimal(1), "EUR": Decimal("0.9"), "\n": None})
    decision = decide(answer, [], CURRENCIES, RULES, NOW)
    assert [new.quote for new in decision.new] == ["EUR"]
    assert {refused.quote: refused.reason for refused in decision.refused} == dict.fromkeys(
        ("XXX", "\n"), Reason.UNKNOWN_CURRENCY
    )
    with pytest.raises(FeedError, match="not a currency of this installation"):
        decide(FeedAnswer("a feed", "XXX", {"EUR": Decimal(1)}), [], CURRENCIES, RULES, NOW)


RENEWALS = [
    ("the same", in_force("0.92"), None, "kept"),
    ("the same, with other zeros", in_force("0.9200"), None, "kept"),
    ("the same, for a quarter of the longest age", in_force("0.92", at=ago(seconds=225)), None, "new"),
    ("the same, just before that", in_force("0.92", at=ago(seconds=224)), None, "kept"),
    ("the same, by an administrator, a quarter ago", in_force("0.92", by=ADMIN, at=ago(seconds=225)), None, "new"),
    ("another spread", in_force("0.92", spread_basis_points=30), None, "new"),
    ("another direction", in_force("1.086956521739130", "EUR/USD"), None, "new"),
    ("another rate", in_force("0.9201"), None, "new"),
    ("the same document as before", in_force("0.92", at=ago(minutes=10)), ago(minutes=11), "kept"),
    ("a newer document that says the same", in_force("0.92", at=ago(minutes=10)), ago(minutes=9), "new"),
    ("a document from before the administrator's rate", in_force("0.93", by=ADMIN, at=ago(minutes=1)), ago(minutes=2), "kept"),
    ("a document from after it", in_force("0.93", by=ADMIN, at=ago(minutes=2)), ago(minutes=1), "new"),
]


@pytest.mark.parametrize(("previous", "at", "expected"), [case[1:] for case in RENEWALS], ids=[case[0] for case in RENEWALS])
def test_a_rate_gets_a_new_row_if_it_changes_or_becomes_old(previous, at, expected):
    assert outcome("0.92", previous, at=at) == expected


@pytest.mark.parametrize(
    ("age", "problem"),
    [
        (timedelta(0), None),
        (timedelta(minutes=15), None),
        (timedelta(minutes=15, seconds=1), "901 s old"),
        (timedelta(minutes=-1), None),
        (timedelta(seconds=-61), "61 s ahead"),
    ],
)
def test_an_answer_about_a_time_long_ago_or_the_future_is_refused(age, problem):
    if problem is None:
        check_moment(NOW - age, NOW, RULES)
        return
    with pytest.raises(FeedError, match=problem):
        check_moment(NOW - age, NOW, RULES)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\xff\xfe{}",
        b"5",
        b"[]",
        b"null",
        b"<html>",
        b"[" * 200_000,
        document('{"EUR": 1}')[:-1],
        document("[]"),
        document("{}"),
        document("5"),
        document('{"EUR": 1, "EUR": 2}'),
        document("{" + ", ".join(f'"{number}": 1' for number in range(501)) + "}"),
        document('{"EUR": 1}', base="null"),
        document('{"EUR": 1}', base='"usd"'),
        document('{"EUR": 1}', base='"Dollars"'),
        document('{"EUR": 1, "USD": 2}'),
        document('{"EUR": 1, "USD": null}'),
        document('{"EUR": 1}', at="5"),
        document('{"EUR": 1}', at='"yesterday"'),
        document('{"EUR": 1}', at='"2026-05-04T12:00:00"'),
        document('{"EUR": 1}', at='"2026-05-04"'),
        document('{"EUR": 1}', at='"2026-13-04T12:00:00Z"'),
        document('{"EUR": 1}', at='"2026-05-04T12:00:60Z"'),
    ],
    ids=lambda text: repr(text[:60]),
)
def test_a_document_of_another_form_is_refused_and_never_quoted(text):
    with pytest.raises(FeedError) as refused:
        parse_document(text, "rates.example")
    assert "EUR" not in str(refused.value)


def test_the_moment_of_a_document_is_what_it_says_else_when_it_was_written():
    written_at = ago(minutes=3)
    rates = '{"EUR": "0.92", "USD": "1.00"}'
    assert parse_document(document(rates), "a file", written_at).at == written_at
    assert parse_document(document(rates, at="null"), "a file", written_at).at == written_at
    assert parse_document(document(rates), "a server").at is None
    for text in ("2026-05-04T12:00:00Z", "2026-05-04T14:00:00.000000000+02:00", "2026-05-04t12:00:00z"):
        answer = parse_document(document(rates, at=f'"{text}"'), "a file", written_at)
        assert answer.at == NOW
        assert answer.rates == {"EUR": Decimal("0.92")}
