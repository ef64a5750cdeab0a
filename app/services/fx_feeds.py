"""Feeds of exchange rates: what they answer, and the feed that is a JSON document behind a URL or in a file."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

from app.fetching import FetchError, fetch
from app.money import is_currency_code

_MAX_BYTES = 262_144
_MAX_RATES = 500
_MAX_SOURCE = 100
_FETCH_SECONDS = 5.0
"""For the whole document."""
_NUMBER = re.compile(r"-?[0-9]{1,100}(\.[0-9]{1,100})?([eE][+-]?[0-9]{1,3})?", re.ASCII)
_MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})", re.ASCII)


class FeedError(Exception):
    """The feed gave no answer that can be read. The message never quotes its address or its document."""


@dataclass(frozen=True, slots=True)
class FeedAnswer:
    """What a feed says at one moment: one major unit of `base` is worth that many of each currency."""

    source: str
    """Where it comes from, as users see it."""
    base: str
    rates: Mapping[str, Decimal | None]
    """By currency, exactly as the feed gives them, whether they make sense or not. None: that is no number."""
    at: datetime | None = None
    """The moment that it is about. None: now."""


class RateFeed(Protocol):
    """Something that knows exchange rates."""

    async def read(self) -> FeedAnswer:
        """Returns the rates of now. Raises FeedError. Takes some seconds at most."""
        ...


class JsonFeed:
    """A JSON document behind an HTTP URL or in a file (`file:///…`). docs/howto/exchange-rates.md has its format."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._source: str | Path = Path(unquote(parts.path)) if parts.scheme == "file" else url
        # Never the whole URL, which may hold a key.
        name = self._source.name if isinstance(self._source, Path) else parts.hostname
        self._name = (name or "feed")[:_MAX_SOURCE]

    async def read(self) -> FeedAnswer:
        """Read the document. A file that does not say its moment is of the moment when it was written."""
        try:
            found = await fetch(self._source, most_bytes=_MAX_BYTES, seconds=_FETCH_SECONDS)
        except FetchError as error:
            raise FeedError(str(error)) from error
        return parse_document(found.text, self._name, found.modified_at)


def parse_document(text: bytes, source: str, modified_at: datetime | None = None) -> FeedAnswer:
    """Returns what the document says. Raises FeedError if its form is wrong. One odd rate does not spoil the others."""
    try:
        # Numbers stay text, so that none becomes a float.
        document = json.loads(
            text.decode(), parse_float=str, parse_int=str, parse_constant=lambda _: None, object_pairs_hook=_without_repeats
        )
    except (ValueError, RecursionError):
        raise FeedError("it is not JSON, or names something twice") from None
    if not isinstance(document, dict):
        raise FeedError("it is not a JSON object")
    base, listed = document.get("base"), document.get("rates")
    if not isinstance(base, str) or not is_currency_code(base):
        raise FeedError("`base` is not the code of a currency")
    if not isinstance(listed, dict) or not 1 <= len(listed) <= _MAX_RATES:
        raise FeedError(f"`rates` is not an object of 1 to {_MAX_RATES} rates")
    rates = {quote: _number(value) for quote, value in listed.items()}
    if rates.pop(base, Decimal(1)) != 1:
        raise FeedError("its base is not worth 1 of itself")
    return FeedAnswer(source, base, rates, modified_at if document.get("at") is None else _moment(document["at"]))


def _without_repeats(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    listed = list(pairs)
    found = dict(listed)
    if len(found) != len(listed):
        raise ValueError
    return found


def _number(value: object) -> Decimal | None:
    return Decimal(value) if isinstance(value, str) and _NUMBER.fullmatch(value) else None


def _moment(value: object) -> datetime:
    if not isinstance(value, str) or not _MOMENT.fullmatch(value):
        raise FeedError("`at` is not a moment such as 2026-05-04T12:00:00Z")
    try:
        return datetime.fromisoformat(value.upper())
    except ValueError:
        raise FeedError("`at` is not a moment such as 2026-05-04T12:00:00Z") from None
