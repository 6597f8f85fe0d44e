"""What the shell (`templates/shell.html`) needs on every page."""

from dataclasses import dataclass
from functools import partial
from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest
from django.utils import timezone

from console.access import may_approve, may_see_gallery
from console.clock import page_zone
from console.models import User
from ledger.selectors.corrections import proposals

#: The rail counts waiting proposals up to here; more is said as more.
WAITING_MAX = 99

#: The place of the rail, and of the bar on phones, where the pages belong: by the name of their
#: address. A place's own page has the place's name.
_PLACES = {
    "site": "network",
    "days": "network",
    "day": "network",
    "entry": "network",
    "correct": "network",
    "void": "network",
    "add": "network",
    "correct_many": "network",
    "decide": "approvals",
    "reconciliation": "days_to_seal",
    "explain_difference": "days_to_seal",
    "close_day": "days_to_seal",
    "seal_day": "days_to_seal",
    "quarantine_decide": "quarantine",
    "quarantine_message": "quarantine",
    "quarantine_message_decide": "quarantine",
    "quarantine_mend": "quarantine",
    "quarantine_register": "quarantine",
    "report_day": "reports",
    "report_period": "reports",
    "report_stock": "reports",
    "report_find": "reports",
    "site_new": "sites",
    "site_setup": "sites",
    "site_equipment": "sites",
    "person": "people",
    "person_new": "people",
    "person_password": "people",
    "gallery_show": "gallery",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """How many corrections wait for the person's decision, counted up to a limit."""

    count: int = 0
    is_more: bool = False


def shell(request: HttpRequest) -> dict[str, Any]:
    """Return the context of the shell: when and by which clock it was made, where one may go."""
    user = getattr(request, "user", AnonymousUser())
    # An address that leads nowhere has no match, and an error no place.
    here = request.resolver_match.url_name if request.resolver_match else None
    return {
        "here": here or "",
        "place": _PLACES.get(here or "", here or ""),
        "rendered_at": timezone.now(),
        "page_zone": page_zone(),
        "may_see_gallery": may_see_gallery(user),
        # A function, so that only the shell asks: fragments are rendered with this context too.
        "proposals_waiting": partial(_proposals_waiting, user),
    }


def _proposals_waiting(user: User | AnonymousUser) -> Waiting | None:
    """Return how many proposals the person could decide on; None for who decides on none."""
    if not may_approve(user):
        return None
    count = proposals(site_ids=None).exclude(author=user.pk)[: WAITING_MAX + 1].count()
    return Waiting(count=min(count, WAITING_MAX), is_more=count > WAITING_MAX)
