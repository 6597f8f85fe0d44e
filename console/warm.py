"""What a web process would otherwise do while its first visitor waits."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from django.conf import settings
from django.template import Engine
from django.template.loader import get_template
from django.utils import translation


def warm_up() -> None:
    """Import the pages, read the languages, and compile the templates; some 0.3 s.

    While templates are edited they are compiled as they are asked for.
    """
    import_module(settings.ROOT_URLCONF)
    for language, _name in settings.LANGUAGES:
        with translation.override(language):
            translation.gettext("Network")
    if settings.DEBUG:
        return
    for folder in Engine.get_default().dirs:
        for path in sorted(Path(folder).rglob("*.html")):
            get_template(path.relative_to(folder).as_posix())
