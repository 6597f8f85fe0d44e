"""Whatever a form asks for by htmx, it can say that it did not get through."""

from __future__ import annotations

import re
from pathlib import Path

from console.gallery.catalogue import templates_folder

FORM = re.compile(r"<form\b.*?</form>", re.DOTALL)
ASKS = re.compile(r"<form\b[^>]*\bhx-(?:post|get)=")
SAYS = ("forms/_failed.html", "forms/_list_failed.html", "data-failed hidden")


def forms_that_ask() -> list[tuple[Path, str]]:
    found = []
    for path in sorted(templates_folder().rglob("*.html")):
        forms = FORM.findall(path.read_text())
        found += [(path, form) for form in forms if ASKS.match(form)]
    return found


def test_each_form_says_that_it_failed() -> None:
    forms = forms_that_ask()
    assert len(forms) >= 14
    assert [path.name for path, form in forms if not any(each in form for each in SAYS)] == []
