"""Text that users write: every script is accepted, and characters that hide or reorder text are refused."""

from __future__ import annotations

import unicodedata

import pytest

from app import texts
from app.texts import normal, problem

ACCEPTED = {
    "plain": "Rent, May",
    "spaces around": " x ",
    "Latin with accents": "Miete für März",
    "Vietnamese, decomposed": unicodedata.normalize("NFD", "Tiếng Việt"),
    "Hebrew": "שכר דירה",
    "Arabic with its own digits": "\u0627\u0644\u0633\u0639\u0631 \u0661\u0660\u0660",
    "an end of ayah, which is a format character with a sign": "\u06dd1",
    "Persian with a non-joiner": "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
    "Persian with a joiner at the end": "\u0647\u200d.\u0642",
    "Malayalam with a joiner at the end": "ന\u0d4d\u200d",
    "Devanagari with a joiner in the middle": "क\u094d\u200dष",
    "Devanagari with a non-joiner": "क\u094d\u200cष",
    "Sinhala with a joiner": "ශ\u0dca\u200dරී",
    "Mongolian with a variation selector": "\u1820\u180b",
    "Mongolian with a vowel separator": "\u1828\u180e\u1820",
    "Hebrew with a grapheme joiner between marks": "\u05d9\u05b7\u034f\u05b4",
    "Korean": "한국어",
    "Korean, decomposed": unicodedata.normalize("NFD", "한국어"),
    "Japanese with a variation of an ideograph": "葛\U000e0100",
    "an emoji": "\U0001f600",
    "a newer emoji than Python may know": "\U0001fae9",
    "a family": "\U0001f468\u200d\U0001f469\u200d\U0001f467",
    "an emoji with a skin tone and a joiner": "\U0001f469\U0001f3fd\u200d\U0001f680",
    "a heart on fire": "❤\ufe0f\u200d\U0001f525",
    "a nodding face": "\U0001f642\u200d↕\ufe0f",
    "a rainbow flag": "\U0001f3f3\ufe0f\u200d\U0001f308",
    "the flag of a part of a country": "\U0001f3f4\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f",
    "a flag of two letters": "\U0001f1e9\U0001f1ea",
    "a keycap": "1\ufe0f\u20e3",
    "a sign shown as an emoji": "©\ufe0f",
    "punctuation alone": "…",
}

REFUSED = {
    "a zero width space alone": "\u200b",
    "a zero width space in a word": "a\u200bb",
    "spaces alone": "  ",
    "no-break spaces alone": "\u00a0\u3000",
    "a line feed": "a\nb",
    "a tab": "a\tb",
    "NUL": "a\0b",
    "a C1 control": "a\x85b",
    "DEL": "a\x7f",
    "a line separator": "a\u2028b",
    "a paragraph separator": "a\u2029b",
    "an override of the direction": "a\u202eb",
    "an embedding": "\u202ba\u202c",
    "an isolate": "\u2067a\u2069",
    "a left-to-right mark": "a\u200eb",
    "a right-to-left mark": "א\u200f",
    "an Arabic letter mark": "\u061ca",
    "a soft hyphen": "a\u00adb",
    "a word joiner": "a\u2060b",
    "an invisible times": "2\u2062x",
    "a byte order mark": "\ufeffa",
    "a joiner between Latin letters": "a\u200db",
    "a non-joiner between Latin letters": "a\u200cb",
    "a joiner at the start": "\u200dא",
    "two joiners in a row": "می\u200c\u200cخ",
    "a joiner after an emoji, before nothing": "\U0001f468\u200d",
    "a joiner between an emoji and a letter": "\U0001f468\u200da",
    "a variation selector after a Latin letter": "a\ufe0f",
    "a variation selector alone": "\ufe0f",
    "two variation selectors": "❤\ufe0f\ufe0f",
    "a Hangul filler": "\u3164",
    "a halfwidth Hangul filler": "a\uffa0",
    "a blank Braille pattern": "\u2800",
    "a Khmer vowel that is not shown": "\u17b4",
    "tags after a letter": "a\U000e0067\U000e007f",
    "tags after a flag without their end": "\U0001f3f4\U000e0067\U000e0062",
    "a language tag": "\U000e0001a",
    "an annotation": "\ufff9a\ufffab\ufffb",
    "a lone surrogate": "\ud800",
    "a noncharacter": "a\uffff",
    "another noncharacter": "a\ufdd0",
    "an accent on nothing": "\u0301",
}


@pytest.mark.parametrize("kind", ACCEPTED)
def test_characters_that_a_script_or_an_emoji_needs_are_accepted(kind: str) -> None:
    assert problem(ACCEPTED[kind], least=1, most=100) is None


@pytest.mark.parametrize("kind", REFUSED)
@pytest.mark.parametrize("least", [0, 1])
def test_text_that_hides_or_reorders_or_shows_nothing_is_refused(kind: str, least: int) -> None:
    assert problem(REFUSED[kind], least=least, most=100) is not None


def test_the_error_names_the_character_and_does_not_quote_the_text() -> None:
    reason = problem("pay \u202eecila", least=0, most=100)
    assert reason is not None
    assert "U+202E" in reason
    assert "\u202e" not in reason
    assert "pay" not in reason


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("\U0001f600", 1),
        ("e\u0301", 1),
        # NFC composes these four code points into one.
        (unicodedata.normalize("NFD", "\u1f82"), 1),
        # NFC decomposes it into two code points and does not compose them again.
        ("\u0958", 2),
    ],
)
def test_length_is_counted_in_code_points_of_the_stored_form(text: str, length: int) -> None:
    assert len(normal(text)) == length
    assert problem(text * 10, least=1, most=10 * length) is None
    reason = problem(text * 10, least=1, most=10 * length - 1)
    assert reason is not None
    assert reason.startswith(f"This text must have 1 to {10 * length - 1} characters")


def test_a_text_that_is_far_too_long_is_not_normalised_first(monkeypatch: pytest.MonkeyPatch) -> None:
    normalised: list[str] = []
    monkeypatch.setattr(texts, "normal", normalised.append)
    reason = problem("\u0316\u0301" * 500_000, least=0, most=280)
    assert reason == "This text must have at most 280 characters; it has 1000000."
    assert normalised == []


def test_an_empty_text_is_accepted_only_if_the_minimum_is_zero() -> None:
    assert problem("", least=0, most=280) is None
    assert problem("", least=1, most=280) is not None
