"""Who edits a template in development sees it at once, in a real server that is not restarted."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from playwright.sync_api import Browser, Page, expect

from console.models import Role
from tests.browser.conftest import EXPECT_TIMEOUT_MS, running_console, sign_in
from tests.conftest import free_port
from tests.factories import make_user


@pytest.fixture
def templates(tmp_path: Path) -> Path:
    """A copy of all templates."""
    copy = tmp_path / "templates"
    shutil.copytree(settings.BASE_DIR / "templates", copy)
    return copy


@pytest.fixture
def desk(
    browser: Browser,
    committed_db: None,
    console_environment: dict[str, str],
    templates: Path,
) -> Iterator[Page]:
    """The frontend team's window at a console in development."""
    expect.set_options(timeout=EXPECT_TIMEOUT_MS)
    environment = console_environment | {
        "DEBUG": "on",
        "DJANGO_SETTINGS_MODULE": "tests.browser.development_settings",
        "TEMPLATES_COPY": str(templates),
    }
    with running_console(environment, free_port()) as address:
        context = browser.new_context(base_url=address)
        desk = context.new_page()
        sign_in(desk, make_user(Role.FRONTEND))
        yield desk
        context.close()


def test_a_template_edit_shows_in_the_browser_at_once(desk: Page, templates: Path) -> None:
    desk.goto("/gallery/show/forms/group/")
    state = desk.frame_locator("[data-gallery-frame]").first
    expect(state.locator("fieldset.group").first).to_be_visible()
    expect(state.locator("#fresh")).to_have_count(0)
    desk.evaluate("window.wasNotReloaded = true")

    # The page looks once before it can tell what is new.
    with desk.expect_response("**/gallery/changes/"):
        pass
    edited = templates / "forms" / "group.html"
    edited.write_text(edited.read_text() + '<p id="fresh">Saved just now</p>')
    expect(state.locator("#fresh").first).to_have_text("Saved just now")
    # By itself, and once.
    assert desk.evaluate("window.wasNotReloaded") is None

    # A fault is told in place of the state, and its repair shows as soon.
    edited.write_text("{# Fields. context: group (BoundGroup) #}{{ group.titel }}")
    expect(state.get_by_text("titel").first).to_be_visible()
    edited.write_text("{# Fields. context: group (BoundGroup) #}<p id=whole>Whole again</p>")
    expect(state.locator("#whole").first).to_have_text("Whole again")


def test_other_pages_show_it_with_their_next_load(desk: Page, templates: Path) -> None:
    desk.goto("/reports/")
    heading = desk.get_by_role("heading", level=1)
    before = heading.inner_text()
    page = templates / "console" / "reports.html"
    page.write_text(page.read_text().replace("<h1", '<p id="fresh">Saved just now</p><h1', 1))
    desk.reload()
    expect(desk.locator("#fresh")).to_be_visible()
    expect(heading).to_have_text(before)
