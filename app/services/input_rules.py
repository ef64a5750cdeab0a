"""Rules for texts and limits in the input, independent of wallets and balances."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from app import texts
from app.errors import Refusal, RefusalCode
from app.money import AmountError, Currency, parse_signed_amount

MAX_DESCRIPTION = 280
MAX_REFERENCE = 140
MAX_METADATA = 20
MAX_METADATA_VALUE = 500
_METADATA_KEY = re.compile(r"[a-z0-9_.-]{1,40}", re.ASCII)
_VISIBLE_ASCII = re.compile(r"[!-~]{1,255}", re.ASCII)


def idempotency_key_refusal(key: str, path: tuple[str, ...]) -> Refusal | None:
    """Return IDEMPOTENCY_KEY_INVALID, unless the key is 1 to 255 visible ASCII characters."""
    if _VISIBLE_ASCII.fullmatch(key):
        return None
    code = RefusalCode.IDEMPOTENCY_KEY_INVALID
    return Refusal(code, code.message, (*path, "idempotencyKey"))


def people_text(text: str, path: tuple[str, ...], *, least: int, most: int) -> str | Refusal:
    """Return the text as it is stored, or INVALID_INPUT. The rules are in `app.texts`."""
    problem = texts.problem(text, least=least, most=most)
    return texts.normal(text) if problem is None else Refusal(RefusalCode.INVALID_INPUT, problem, path)


def amount_from_zero(
    given: tuple[str, str], currency: Currency, path: tuple[str, ...], *, other_currency: str, negative: str
) -> int | Refusal:
    """Return an amount of zero or more in minor units, or the refusal, with these messages for its two rules."""
    amount, code = given
    if code != currency.code:
        return Refusal(RefusalCode.INVALID_INPUT, other_currency, (*path, "currency"))
    try:
        minor = parse_signed_amount(amount, currency)
    except AmountError as error:
        return Refusal(RefusalCode.INVALID_AMOUNT, str(error), (*path, "amount"))
    return Refusal(RefusalCode.INVALID_AMOUNT, negative, (*path, "amount")) if minor < 0 else minor


def was_taken(text: str, *, least: int, most: int) -> bool:
    """Whether releases before revision 0011 accepted the text, so that a recorded request may contain it."""
    is_one_line = all(unicodedata.category(character) not in ("Cc", "Cs") for character in text[: most + 1])
    return least <= len(text) <= most and is_one_line and (not least or bool(text.strip()))


def description_of(text: str | None, path: tuple[str, ...]) -> str | Refusal | None:
    """Return the description as it is stored, or INVALID_INPUT."""
    return None if text is None else people_text(text, (*path, "description"), least=0, most=MAX_DESCRIPTION)


def reference_of(text: str | None, path: tuple[str, ...]) -> str | Refusal | None:
    """Return the reference as it is stored, or INVALID_INPUT."""
    return None if text is None else people_text(text, (*path, "reference"), least=1, most=MAX_REFERENCE)


def metadata_of(pairs: Sequence[tuple[str, str]], path: tuple[str, ...]) -> dict[str, str] | Refusal | None:
    """Return the pairs as they are stored, None if there are none, or INVALID_INPUT for the first that breaks a rule."""
    at = (*path, "metadata")
    if len(pairs) > MAX_METADATA:
        message = f"There are at most {MAX_METADATA} pairs of metadata; this request has {len(pairs)}."
        return Refusal(RefusalCode.INVALID_INPUT, message, at)
    metadata: dict[str, str] = {}
    for index, (key, value) in enumerate(pairs):
        if _METADATA_KEY.fullmatch(key) is None:
            message = "A metadata key has 1 to 40 characters, each one of a-z, 0-9, _, . and -."
            return Refusal(RefusalCode.INVALID_INPUT, message, (*at, str(index), "key"))
        if key in metadata:
            return Refusal(RefusalCode.INVALID_INPUT, "This metadata key is there twice.", (*at, str(index), "key"))
        kept = people_text(value, (*at, str(index), "value"), least=0, most=MAX_METADATA_VALUE)
        if isinstance(kept, Refusal):
            return kept
        metadata[key] = kept
    return metadata or None
