"""Everything that pages are made of shows in the gallery, in each of its states."""

from __future__ import annotations

import pytest

from console.gallery.catalogue import Exhibit, State, catalogue, strays
from console.gallery.render import state_html

EXHIBITS = catalogue()
STATES = [(exhibit, state) for exhibit in EXHIBITS for state in exhibit.states]


@pytest.mark.parametrize("exhibit", EXHIBITS, ids=lambda each: each.name)
def test_each_template_and_form_has_a_fixture(exhibit: Exhibit) -> None:
    assert exhibit.problem == "", exhibit.problem


@pytest.mark.parametrize("language", ["en", "de"])
@pytest.mark.parametrize(
    ("exhibit", "state"), STATES, ids=[f"{each.name}-{state.slug}" for each, state in STATES]
)
def test_each_state_renders(exhibit: Exhibit, state: State, language: str) -> None:
    state_html(exhibit, state, language=language)


def test_no_fixture_is_left_behind() -> None:
    assert strays() == []
