"""Validation of text that users write and others read: names, descriptions and reasons.

Text is stored in Unicode's NFC form. It must be one line with at least one visible character. Invisible characters are refused,
except where a script or an emoji needs them: readers see what is stored, and one user's text cannot reorder another's page.
"""

from __future__ import annotations

import re
import unicodedata

_LARGEST_COMPOSITION = 4
"""The most characters that NFC composes into one."""

# Format characters (Cf) that are visible, such as ARABIC END OF AYAH.
_VISIBLE_FORMATS = frozenset("\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd")
# Characters other than Cf that Unicode does not display (Default_Ignorable_Code_Point), and blank letters.
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
# Scripts in which a joiner changes how letters join or stack: Arabic to Mandaic and their neighbours, the scripts of India and
# South-East Asia, Mongolian, and the historic scripts of the same families.
_JOINING_SCRIPTS = re.compile(
    "[\u0600-\u08ff\u0900-\u0dff\u0f00-\u109f\u1700-\u18af\u1900-\u1cff\ua800-\ua82f\ua840-\ua8ff\ua930-\ua9ff\uaa00-\uaaff"
    "\uabc0-\uabff\ufb50-\ufdcf\ufdf0-\ufdff\ufe70-\ufefc\U00010a00-\U00010aff\U00010d00-\U00010d3f\U00010f00-\U00010fff"
    "\U00011000-\U00011fff\U0001e900-\U0001e95f]"
)
# Ranges of symbols and arrows that form emoji. Ranges, because older Python versions do not know the newest emoji.
_EMOJI = re.compile("[\u2190-\u2bff\U0001f000-\U0001faff]")
# Flags of regions, such as Scotland: a black flag followed by the region's code in invisible letters.
_REGIONAL_FLAG = re.compile("\U0001f3f4[\U000e0030-\U000e0039\U000e0061-\U000e007a]{1,6}\U000e007f")
_TAKES_SELECTOR = frozenset("#*0123456789")


def normal(text: str) -> str:
    """Returns the text in the stored form, NFC."""
    return unicodedata.normalize("NFC", text)


def problem(text: str, *, least: int, most: int) -> str | None:
    """Returns why the text is refused, as a sentence for its author, or None if it is valid.

    The length is counted in code points of the NFC form. An empty text is valid if `least` is 0.
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
                "This text must be one line without invisible characters that control, format or reorder it: "
                f"it has U+{ord(unseen):04X}."
            )
    if text and not any(map(_shows, text)):
        return "This text must not be blank."
    return None


def _wrong_length(least: int, most: int, length: int) -> str:
    wanted = f"{least} to {most}" if least else f"at most {most}"
    return f"This text must have {wanted} characters; it has {length}."


def _first_unseen(text: str) -> str | None:
    """Returns the first invisible character that its position does not justify, or None."""
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
    """Whether an invisible character is needed to write the characters beside it."""
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
    """Whether a joiner stands between two emoji. A variation selector may follow the first."""
    before = before[:-1] if _VARIATION_SELECTOR.match(before[-1]) else before
    return _EMOJI.match(before[-1:]) is not None and _EMOJI.match(after) is not None


def _shows(character: str) -> bool:
    """Whether it is visible by itself: a letter, number, sign or symbol, or a character that this Python does not know yet."""
    category = unicodedata.category(character)
    return not _is_unseen(character) and (category[0] in "LNPS" or category in ("Cn", "Co"))
