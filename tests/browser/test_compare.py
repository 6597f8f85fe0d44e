"""`make compare` sees a change of a template or a style, and nothing where nothing changed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.tools.compare import ROOT, Comparison, Tree, compare, rendered

#: What of the project renders the gallery.
PARTS = ("console", "ledger", "ingest", "templates", "static", "tests")
ONLY = "components/quantity"
PAGES = 4


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    return rendered(ROOT, tmp_path_factory.mktemp("before"), only=ONLY)


@pytest.fixture
def changed(tmp_path: Path) -> Path:
    """A copy of the project to change something in."""
    for part in PARTS:
        shutil.copytree(ROOT / part, tmp_path / part, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def _compared(browser: Browser, before: Tree, changed: Path) -> Comparison:
    after = rendered(changed, changed / "pages", only=ONLY)
    return compare(browser, before, after, changed / "report")


def test_nothing_changed(browser: Browser, before: Tree, changed: Path) -> None:
    found = _compared(browser, before, changed)

    assert (found.changed, found.added, found.gone, found.same_count) == ({}, [], [], PAGES)


def test_a_changed_template_shows_before_after_and_the_difference(
    browser: Browser, before: Tree, changed: Path
) -> None:
    template = changed / "templates" / f"{ONLY}.html"
    template.write_text(template.read_text().replace("{{ unit }}", "{{ unit }} at 15 °C"))

    found = _compared(browser, before, changed)

    assert sorted(found.changed) == [f"{ONLY}/known.dark.html", f"{ONLY}/known.light.html"]
    pictures = sorted(path.name for path in (changed / "report").glob("*known.dark*.png"))
    assert pictures == [
        f"components--quantity--known.dark.{kind}.png" for kind in ("after", "before", "difference")
    ]
    assert "components--quantity--known.dark.difference.png" in (
        changed / "report" / "index.html"
    ).read_text(encoding="utf-8")


def test_a_changed_style_shows_where_it_is_seen(
    browser: Browser, before: Tree, changed: Path
) -> None:
    style = changed / "static" / "console" / "base.css"
    style.write_text(style.read_text() + "\n.unit { letter-spacing: 1em; padding: 1em; }\n")

    found = _compared(browser, before, changed)

    assert sorted(found.changed) == [f"{ONLY}/known.dark.html", f"{ONLY}/known.light.html"]


def test_what_is_new_and_what_is_gone_is_named(
    browser: Browser, before: Tree, changed: Path
) -> None:
    fixture = changed / "templates" / f"{ONLY}.gallery.toml"
    fixture.write_text(fixture.read_text().replace('"Unknown"', '"Not known"'))

    found = _compared(browser, before, changed)

    assert found.added == [f"{ONLY}/not-known.dark.html", f"{ONLY}/not-known.light.html"]
    assert found.gone == [f"{ONLY}/unknown.dark.html", f"{ONLY}/unknown.light.html"]
