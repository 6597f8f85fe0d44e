"""Texts that look the same are the same; what nobody can see is refused."""

from __future__ import annotations

import unicodedata

import pytest
from django import forms

from console.forms.fields import PlainCharField
from ledger.plain import PlainTextError, plain_text, without_invisible

#: Cc, Cf and Cs are controls, formats and surrogates; Zl and Zp part lines and paragraphs.
INVISIBLE_CATEGORIES = {"Cc", "Cf", "Cs", "Zl", "Zp"}


def test_every_character_that_nobody_can_see_is_refused() -> None:
    for code in range(0x110000):
        character = chr(code)
        if unicodedata.category(character) in INVISIBLE_CATEGORIES:
            with pytest.raises(PlainTextError, match=rf"^U\+{code:04X}$"):
                plain_text(f"a{character}b")
            assert without_invisible(f"a{character}b").replace(" ", "") == "ab"


@pytest.mark.parametrize(
    "text", ["E10", "Myt\u00ed vozidel", "\u6c7d\u6cb9", "95 E10", "\u26fd", "", "\u0e19"]
)
def test_what_can_be_seen_stays(text: str) -> None:
    assert plain_text(text) == plain_text(f"\u3000{text} ") == text


def test_words_of_people_may_have_lines_and_emoji() -> None:
    note = "Pump 3:\r\n\tleaks \u26a0\ufe0f \U0001f469\u200d\U0001f527"
    assert plain_text(note, is_prose=True) == note
    with pytest.raises(PlainTextError):
        plain_text("a\u202eb", is_prose=True)


def test_forms_take_texts_as_the_ledger_compares_them() -> None:
    assert PlainCharField().clean(" Myti\u0301 ") == "Myt\u00ed"
    assert PlainCharField(required=False).clean(None) == ""
    assert PlainCharField(widget=forms.Textarea).clean("a\nb") == "a\nb"
    for text in ("a\x00b", "a\nb", "a\u200bb", "a\ud800"):
        with pytest.raises(forms.ValidationError, match=r"U\+.* nobody can see"):
            PlainCharField().clean(text)
