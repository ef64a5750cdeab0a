"""What people write and others read: one rule for names, descriptions and reasons.

Text is kept in Unicode's form NFC. It is one line, has something to see, and nothing that cannot be seen but for what a
script or an emoji needs: who reads it sees what is stored, and text from one person does not reorder another's page.
"""

from __future__ import annotations

import re
import unicodedata

_LARGEST_COMPOSITION = 4
"""So many characters can become one in NFC, and no more."""

# Format characters (Cf) with a sign of their own, such as ARABIC END OF AYAH.
_VISIBLE_FORMATS = frozenset("\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd")
# What Unicode ignores when it is shown, beside the format characters (Default_Ignorable_Code_Point), and blank letters.
_UNSEEN = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u2065\u3164\ufe00-\ufe0f\uffa0\ufff0-\ufff8\U000e0000-\U000e0fff"
    "\u2800\U0001d159\U00013441-\U00013446]"
)
_UNSEEN_CATEGORIES = frozenset(("Cc", "Cf", "Cs", "Zl", "Zp"))
_NONCHARACTER = re.compile(
    "[\ufdd0-\ufdef" + "".join(f"{chr(plane | 0xFFFE)}{chr(plane | 0xFFFF)}" for plane in range(0, 0x110000, 0x10000)) + "]"
)

_JOINERS = frozenset("\u200c\u200d")
_ZERO_WIDTH_JOINER = "\u200d"
_VARIATION_SELECTOR = re.compile("[\ufe00-\ufe0f\U000e0100-\U000e01ef]")
_MONGOLIAN_SELECTORS = frozenset("\u180b\u180c\u180d\u180e\u180f")
_MONGOLIAN_LETTER = re.compile("[\u1820-\u18aa]")
_GRAPHEME_JOINER = "\u034f"
# Scripts whose letters join, or stack, as a joiner says: Arabic to Mandaic and their neighbours; those of India and South-East
# Asia; Mongolian; and the historic ones of the same families.
_JOINING_SCRIPTS = re.compile(
    "[\u0600-\u08ff\u0900-\u0dff\u0f00-\u109f\u1700-\u18af\u1900-\u1cff\ua800-\ua82f\ua840-\ua8ff\ua930-\ua9ff\uaa00-\uaaff"
    "\uabc0-\uabff\ufb50-\ufdcf\ufdf0-\ufdff\ufe70-\ufefc\U00010a00-\U00010aff\U00010d00-\U00010d3f\U00010f00-\U00010fff"
    "\U00011000-\U00011fff\U0001e900-\U0001e95f]"
)
# Symbols and arrows of which emoji are made; newer ones are unknown to older versions of Python's tables.
_EMOJI = re.compile("[\u2190-\u2bff\U0001f000-\U0001faff]")
# The flags of parts of countries: a black flag and the region in invisible letters.
_REGIONAL_FLAG = re.compile("\U0001f3f4[\U000e0030-\U000e0039\U000e0061-\U000e007a]{1,6}\U000e007f")
_TAKES_SELECTOR = frozenset("#*0123456789")


def normal(text: str) -> str:
    """The text in the form in which it is kept: NFC."""
    return unicodedata.normalize("NFC", text)


def problem(text: str, *, least: int, most: int) -> str | None:
    """What keeps a text from being taken, as a sentence for who wrote it; None where nothing does.

    It is counted in code points, in the form NFC. An empty text is fine where `least` is 0.
    """
    if len(text) > most * _LARGEST_COMPOSITION:
        return _wrong_length(least, most, len(text))
    text = normal(text)
    if not least <= len(text) <= most:
        return _wrong_length(least, most, len(text))
    if not text.isascii() or not text.isprintable():
        unseen = _first_unseen(_REGIONAL_FLAG.sub("\U0001f3f4", text))
        if unseen is not None:
            return (
                "This text must be one line, without characters that control, format or reorder it and cannot be seen: "
                f"it has U+{ord(unseen):04X}."
            )
    if text and not any(map(_shows, text)):
        return "This text must not be blank."
    return None


def _wrong_length(least: int, most: int, length: int) -> str:
    wanted = f"{least} to {most}" if least else f"at most {most}"
    return f"This text must have {wanted} characters; it has {length}."


def _first_unseen(text: str) -> str | None:
    """The first character that cannot be seen and has no business where it stands."""
    return next((character for at, character in enumerate(text) if _is_unseen(character) and not _belongs(text, at)), None)


def _is_unseen(character: str) -> bool:
    if character in _VISIBLE_FORMATS:
        return False
    return (
        unicodedata.category(character) in _UNSEEN_CATEGORIES
        or _UNSEEN.match(character) is not None
        or _NONCHARACTER.match(character) is not None
    )


def _belongs(text: str, at: int) -> bool:
    """Whether an unseen character is part of how what stands beside it is written."""
    character, before, after = text[at], text[at - 1 : at], text[at + 1 : at + 2]
    if not before:
        return False
    if character in _JOINERS:
        return _joins_letters(before) or (character == _ZERO_WIDTH_JOINER and _joins_emoji(text[:at], after))
    if character in _MONGOLIAN_SELECTORS:
        return _MONGOLIAN_LETTER.match(before) is not None
    if character == _GRAPHEME_JOINER:
        return unicodedata.category(before)[0] in "LM" and after != "" and unicodedata.category(after)[0] == "M"
    if _VARIATION_SELECTOR.match(character):
        return before in _TAKES_SELECTOR or (not before.isascii() and _shows(before))
    return False


def _joins_letters(before: str) -> bool:
    return _JOINING_SCRIPTS.match(before) is not None and unicodedata.category(before)[0] in "LM"


def _joins_emoji(before: str, after: str) -> bool:
    """Between two emoji; the first may have a selector of its look after it."""
    before = before[:-1] if _VARIATION_SELECTOR.match(before[-1]) else before
    return _EMOJI.match(before[-1:]) is not None and _EMOJI.match(after) is not None


def _shows(character: str) -> bool:
    """Whether there is something to see by itself: a letter, number, sign or symbol, or one too new to be known here."""
    category = unicodedata.category(character)
    return not _is_unseen(character) and (category[0] in "LNPS" or category in ("Cn", "Co"))
