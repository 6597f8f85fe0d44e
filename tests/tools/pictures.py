"""Takes the README's pictures of a demo that runs: `make run`, and a while later

python -m tests.tools.pictures http://127.0.0.1:8000
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Literal, NamedTuple

from playwright.sync_api import Browser, sync_playwright

from tests.browser_path import chromium_path

FOLDER = Path(__file__).resolve().parents[2] / ".github" / "pictures"
SITE = "GB-NORWICH"
#: A stream has shown its first pieces, and changes have faded, after this long.
SETTLE_MS = 2_500


class Picture(NamedTuple):
    """What a picture shows, to whom, and how."""

    name: str
    person: str
    path: str
    theme: Literal["light", "dark"]
    width: int
    height: int


PICTURES = [
    Picture("network", "auditor", "/", "light", 1440, 1000),
    Picture("site", "manager", f"/sites/{SITE}/", "dark", 1440, 1180),
    Picture("phone", "manager", f"/sites/{SITE}/", "light", 390, 844),
]


def take(browser: Browser, address: str, picture: Picture) -> None:
    """Sign in as the person, open the page, and keep what is seen."""
    context = browser.new_context(
        base_url=address,
        viewport={"width": picture.width, "height": picture.height},
        color_scheme=picture.theme,
    )
    page = context.new_page()
    page.goto("/sign-in/")
    page.get_by_label("Username").fill(picture.person)
    page.get_by_label("Password").fill(f"demo-{picture.person}")
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(lambda url: "/sign-in/" not in url)
    page.goto(picture.path)
    page.wait_for_timeout(SETTLE_MS)
    page.screenshot(path=FOLDER / f"{picture.name}.png")
    context.close()


def main(address: str) -> None:
    """Take all pictures."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium_path(), args=["--no-sandbox", "--disable-gpu"]
        )
        for picture in PICTURES:
            take(browser, address, picture)
            print(f"{picture.name}.png")
        browser.close()


if __name__ == "__main__":
    main(sys.argv[1])
