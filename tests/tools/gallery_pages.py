"""Writes every state of the gallery as a page into a folder, as of one moment: for `compare`.

python -m tests.tools.gallery_pages FOLDER [HOW-THEIR-NAMES-BEGIN]
"""

from __future__ import annotations

import datetime
import os
import sys
from pathlib import Path
from unittest import mock

import django

#: All pages are of this moment, whenever they are written.
NOW = datetime.datetime(2026, 3, 5, 14, 30, tzinfo=datetime.UTC)


def write_pages(folder: Path, only: str) -> int:
    """Write the states in light and dark, return how many pages they are."""
    from django.template.loader import render_to_string

    from console.gallery.catalogue import catalogue
    from console.views.gallery import Look, state_page

    count = 0
    for exhibit in catalogue():
        if not exhibit.name.startswith(only):
            continue
        for state in exhibit.states:
            for theme in ("light", "dark"):
                look = Look(theme=theme, width=0, language="en")
                path = folder / exhibit.name / f"{state.slug}.{theme}.html"
                path.parent.mkdir(parents=True, exist_ok=True)
                context = state_page(exhibit, state, look, now=NOW)
                path.write_text(render_to_string("gallery/frame.html", context))
                count += 1
    return count


def main(folder: Path, only: str = "") -> None:
    """Write all pages."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "console.settings"
    os.environ["DEBUG"] = "on"
    django.setup()
    # Formatters ask for the time themselves, and a token is another one each time.
    with (
        mock.patch("django.utils.timezone.now", return_value=NOW),
        mock.patch("django.middleware.csrf.get_token", return_value="token"),
        mock.patch("django.template.context_processors.get_token", return_value="token"),
    ):
        print(write_pages(folder, only))


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
