"""Rules for text in the input, independent of wallets and balances."""

from __future__ import annotations

import re
import unicodedata

from app import texts
from app.errors import Refusal, RefusalCode

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


def was_taken(text: str, *, least: int, most: int) -> bool:
    """Whether releases before revision 0011 accepted the text, so that a recorded request may contain it."""
    is_one_line = all(unicodedata.category(character) not in ("Cc", "Cs") for character in text[: most + 1])
    return least <= len(text) <= most and is_one_line and (not least or bool(text.strip()))
