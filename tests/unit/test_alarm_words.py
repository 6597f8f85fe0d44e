"""Alarm codes in the reader's words."""

from __future__ import annotations

import pytest
from django.utils import translation

from console.alarm_words import alarm_words, device_words


@pytest.mark.parametrize("code", ["low_product", "LowProduct", "low-product", "LOW_PRODUCT"])
def test_a_known_code_is_one_however_it_is_spelt(code: str) -> None:
    assert alarm_words(code) == "product low"
    with translation.override("de"):
        assert alarm_words(code) == "Bestand niedrig"


def test_an_unknown_code_is_shown_as_it_came() -> None:
    for language in ("en", "de"):
        with translation.override(language):
            assert alarm_words("E_4711 <x>") == "E_4711 <x>"
            assert device_words("car wash") == "car wash"


def test_devices_have_names() -> None:
    assert device_words("fuelling_point") == "Fuelling point"
    with translation.override("de"):
        assert device_words("fuelling_point") == "Zapfpunkt"
