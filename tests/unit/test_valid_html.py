"""Every state of the gallery is HTML that the Nu checker takes; pages are in the walk's test."""

from __future__ import annotations

from pathlib import Path

from django.template.loader import render_to_string

from console.gallery.catalogue import catalogue
from console.views.gallery import Look, state_page
from tests.html_checker import html_errors


def test_each_state_of_the_gallery_is_valid(tmp_path: Path) -> None:
    look = Look(theme="light", width=0, language="en")
    for exhibit in catalogue():
        for state in exhibit.states:
            page = tmp_path / f"{exhibit.name.replace('/', '.')}.{state.slug}.html"
            page.write_text(
                render_to_string("gallery/frame.html", state_page(exhibit, state, look))
            )
    assert "\n".join(html_errors(tmp_path)) == ""


def test_the_checker_minds_all_but_the_attributes_of_htmx(tmp_path: Path) -> None:
    bodies = {
        "htmx": '<p hx-get="/" sse-swap="a">a</p>',
        "other": '<p hx="/">a</p>',
        "min": '<input type="text" min="1" aria-label="a">',
        "time": '<time datetime="2026-11-22T12:00:00.123456+00:00">a</time>',
    }
    for name, body in bodies.items():
        page = f'<!DOCTYPE html>\n<html lang="en"><title>a</title><body>{body}</body></html>'
        (tmp_path / f"{name}.html").write_text(page)
    assert {error.partition(".")[0] for error in html_errors(tmp_path)} == {
        "/other",
        "/min",
        "/time",
    }
