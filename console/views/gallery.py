"""The gallery: what the frontend team builds pages from, each part in all of its states."""

from __future__ import annotations

import datetime
import hashlib
from typing import Any, NamedTuple

from csp.decorators import csp_replace
from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.clickjacking import xframe_options_sameorigin
from django.views.decorators.http import require_GET

from console.access import may_see_gallery
from console.gallery.catalogue import Exhibit, State, catalogue, exhibit, templates_folder
from console.gallery.places import place_of
from console.gallery.render import state_html
from console.gallery.values import FixtureError
from console.parameters import text_asked
from console.strict_templates import UndefinedVariableError

THEMES = ("auto", "light", "dark")
#: Pixels that a frame is wide: a phone, a tablet, a screen; 0 for as wide as there is room.
WIDTHS = (0, 360, 768, 1280)


class Look(NamedTuple):
    """How the states are shown."""

    theme: str
    width: int
    language: str


@require_GET
@never_cache
def index(request: HttpRequest) -> HttpResponse:
    """List every template, form and widget, or those that match what was typed."""
    _let_in(request)
    text = text_asked(request.GET, "q")
    found = [each for each in catalogue() if _matches(each, text)]
    groups: dict[str, list[Exhibit]] = {}
    for each in found:
        groups.setdefault(each.group, []).append(each)
    context = {"groups": groups, "text": text, "found_count": len(found)}
    return render(request, "gallery/index.html", context | _reload_context())


@require_GET
@never_cache
def show(request: HttpRequest, name: str) -> HttpResponse:
    """Show a template in all of its states, each in a frame of its own."""
    _let_in(request)
    everything = catalogue()
    names = [each.name for each in everything]
    if name not in names:
        raise Http404(_("There is no such template in the gallery."))
    place = names.index(name)
    look = _look(request)
    context = {
        "exhibit": everything[place],
        "before": everything[place - 1] if place else None,
        "after": everything[place + 1] if place + 1 < len(everything) else None,
        "look": look,
        "themes": THEMES,
        "widths": WIDTHS,
        "languages": settings.LANGUAGES,
    }
    return render(request, "gallery/show.html", context | _reload_context())


@require_GET
@never_cache
@xframe_options_sameorigin
@csp_replace({"frame-ancestors": ["'self'"]})  # type: ignore[arg-type]
def frame(request: HttpRequest, name: str, state: str) -> HttpResponse:
    """Show one state by itself, or in clear words why it cannot be shown."""
    _let_in(request)
    found = exhibit(name)
    shown = found.state(state) if found else None
    if found is None or shown is None:
        raise Http404(_("There is no such template in the gallery."))
    # An error answers 200: the frame that shows it is what was asked for.
    return render(request, "gallery/frame.html", state_page(found, shown, _look(request)))


def state_page(
    found: Exhibit, state: State, look: Look, *, now: datetime.datetime | None = None
) -> dict[str, Any]:
    """Return the context of a state's frame: what it renders to, or why it does not."""
    context: dict[str, Any] = {"exhibit": found, "state": state, "look": look}
    try:
        context["html"] = state_html(found, state, language=look.language, now=now)
    except (UndefinedVariableError, FixtureError) as error:
        context |= {"problem": str(error), "place": place_of(error)}
    except Exception as error:  # noqa: BLE001 - whatever a template raises is what its author wants to read
        context |= {"problem": f"{type(error).__name__}: {error}", "place": place_of(error)}
    return context


@require_GET
@never_cache
def changes(request: HttpRequest) -> HttpResponse:
    """Answer with what changes whenever a template, fixture, style or script does; for gallery.js.

    Only in development, where templates are read anew for each page.
    """
    _let_in(request)
    if not settings.DEBUG:
        raise Http404
    return HttpResponse(_digest(), content_type="text/plain")


def _let_in(request: HttpRequest) -> None:
    if not may_see_gallery(request.user):
        raise PermissionDenied


def _look(request: HttpRequest) -> Look:
    """Read how to show states; what makes no sense is as it is by itself."""
    theme, width = request.GET.get("theme", ""), request.GET.get("width", "")
    language = request.GET.get("lang", "")
    return Look(
        theme=theme if theme in THEMES else THEMES[0],
        width=int(width) if width in map(str, WIDTHS) else WIDTHS[0],
        language=language if language in dict(settings.LANGUAGES) else get_language() or "en",
    )


def _matches(each: Exhibit, text: str) -> bool:
    words = f"{each.name} {each.contract.summary} {' '.join(each.contract.by_name)}".lower()
    return all(word in words for word in text.lower().split())


def _reload_context() -> dict[str, Any]:
    return {"reloads": settings.DEBUG}


def _digest() -> str:
    folders = [templates_folder(), *settings.STATICFILES_DIRS]
    found = sorted(
        (str(path), path.stat().st_mtime_ns)
        for folder in folders
        for path in folder.rglob("*")
        if path.is_file()
    )
    return hashlib.blake2b(repr(found).encode(), digest_size=12).hexdigest()
