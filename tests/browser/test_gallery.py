"""The gallery in a browser: it fits its frames, finds while one types, and bars nobody."""

from __future__ import annotations

import re
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from console.models import Role
from tests.browser.conftest import sign_in
from tests.factories import make_user

PAGES = ["/gallery/", "/gallery/show/console/_tank/", "/gallery/show/forms/form/"]
FRAMES = [
    "/gallery/frame/forms/form/with-errors/",
    "/gallery/frame/console/_fuelling_point/fuelling/",
]


@pytest.fixture
def gallery(page: Page) -> Page:
    sign_in(page, make_user(Role.FRONTEND))
    return page


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_no_barrier(gallery: Page, theme: Literal["light", "dark"]) -> None:
    gallery.emulate_media(color_scheme=theme)
    found = []
    for path in [*PAGES, *FRAMES]:
        gallery.goto(path)
        results = Axe().run(gallery, options={"iframes": False})
        if results.violations_count:
            found.append(f"{path}\n{results.generate_report()}")

    assert not found, "\n\n".join(found)


@pytest.mark.parametrize("width", [360, 1600])
def test_nothing_is_wider_than_the_window(gallery: Page, width: int) -> None:
    gallery.set_viewport_size({"width": width, "height": 900})
    for path in PAGES:
        gallery.goto(path)

        assert gallery.evaluate("document.documentElement.scrollWidth") <= width, path


def test_a_frame_is_as_high_as_what_is_in_it(gallery: Page) -> None:
    gallery.goto("/gallery/show/console/_tank/")
    frame = gallery.locator("iframe").first
    expect(frame.content_frame.locator("#tank-2")).to_be_visible()

    gallery.wait_for_function(
        """() => {
          const frame = document.querySelector("iframe");
          const inside = frame.contentDocument.documentElement;
          return frame.clientHeight >= inside.scrollHeight && frame.style.height !== "";
        }"""
    )


def test_the_list_narrows_down_while_one_types(gallery: Page) -> None:
    gallery.goto("/gallery/")
    gallery.get_by_label("Find a template").press_sequentially("vessel")

    expect(gallery.get_by_role("link", name="vessel", exact=True)).to_be_visible()
    expect(gallery.get_by_role("link", name="_switcher", exact=True)).to_be_hidden()
    expect(gallery.locator("[data-gallery-found]")).to_have_text("1 found")


def test_the_look_is_chosen_by_links_and_kept_on_the_way_to_the_next(gallery: Page) -> None:
    gallery.goto("/gallery/show/console/_tank/")
    gallery.get_by_role("link", name="Dark", exact=True).click()
    gallery.get_by_role("link", name="360", exact=True).click()
    gallery.get_by_role("link", name="Deutsch", exact=True).click()
    gallery.locator("[rel=next]").click()

    expect(gallery.locator(".gallery__looks [aria-current]")).to_have_text(
        ["Dark", "360", "Deutsch"]
    )
    inside = gallery.locator("iframe").first.content_frame.locator("html")
    expect(inside).to_have_attribute("data-theme", "dark")
    expect(inside).to_have_attribute("lang", "de")


def test_links_and_buttons_of_a_state_lead_nowhere(gallery: Page) -> None:
    gallery.goto("/gallery/frame/console/_site_day/open-and-complete/")
    gallery.get_by_role("link", name="All days").click()

    expect(gallery).to_have_url(re.compile("/gallery/frame/"))
