"""What text a client may send: rules that no wallet or balance has a say in."""

from __future__ import annotations

import re
import unicodedata

from app.errors import Refusal, RefusalCode

_VISIBLE_ASCII = re.compile(r"[!-~]{1,255}", re.ASCII)


def idempotency_key_refusal(key: str, path: tuple[str, ...]) -> Refusal | None:
    """IDEMPOTENCY_KEY_INVALID, unless the key is 1 to 255 visible ASCII characters."""
    if _VISIBLE_ASCII.fullmatch(key):
        return None
    code = RefusalCode.IDEMPOTENCY_KEY_INVALID
    return Refusal(code, code.message, (*path, "idempotencyKey"))


def text_refusal(text: str, path: tuple[str, ...], *, least: int, most: int) -> Refusal | None:
    """INVALID_INPUT, unless the text is `least` to `most` characters of one line."""
    if not least <= len(text) <= most:
        wanted = f"{least} to {most}" if least else f"at most {most}"
        return Refusal(RefusalCode.INVALID_INPUT, f"This text must have {wanted} characters; it has {len(text)}.", path)
    # Control characters (Cc) break lines, logs and terminals; lone surrogates (Cs) are no characters at all.
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in text):
        return Refusal(RefusalCode.INVALID_INPUT, "This text must be one line without control characters.", path)
    if least and not text.strip():
        return Refusal(RefusalCode.INVALID_INPUT, "This text must not be blank.", path)
    return None
