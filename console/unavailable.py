"""What could not be done now: a page that says so, keeps what was typed, and lets one try again.

Whichever view was asked, and for whatever reason the database did not do it, the answer is made
here. It is rendered without a query, since mostly the database is what is missing: not even who
asks is known then. To htmx, whose form still stands filled in on the page, the status and the kind
of failure say enough: `static/console/forms.js` shows the words that the form has for it.

Where nothing says that the request came from a page of this console, what it brought is not put
into a page again: another site's page could have a person send it.
"""

from __future__ import annotations

import enum
import logging
from dataclasses import dataclass, field
from typing import cast

import psycopg
from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.middleware import SessionMiddleware
from django.db import IntegrityError, InterfaceError, InternalError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.cache import add_never_cache_headers, patch_vary_headers
from django.utils.deprecation import MiddlewareMixin

from console.htmx import HtmxHttpRequest, wants_fragment
from console.typed import SHOWN_AGAIN, is_from_here, is_left_out, page_of
from ledger.services.transactions import CommitUnknownError, commits_forget, has_committed

logger = logging.getLogger(__name__)

#: The header that tells htmx's answer what kind of failure it was.
KIND_HEADER = "X-Failure"
#: After so many seconds it may be tried again.
RETRY_LOCKED_S = 5
RETRY_AWAY_S = 15

#: What the database says when somebody else holds what is wanted: lock_not_available,
#: deadlock_detected, serialization_failure.
_LOCKED = frozenset({"55P03", "40P01", "40001"})
#: What it says when a row that is referred to, or a key that is taken, is another than before:
#: restrict_violation, foreign_key_violation, unique_violation.
_CHANGED = frozenset({"23001", "23503", "23505"})
#: read_only_sql_transaction: it is the standby of one that failed.
_READ_ONLY = "25006"

#: Errors of which one of this module's answers may come.
DATABASE_ERRORS = (
    OperationalError,
    InterfaceError,
    InternalError,
    psycopg.OperationalError,
    psycopg.InterfaceError,
)


class Failure(enum.StrEnum):
    """Why something was not done; the templates have the words."""

    LOCKED = "locked"
    AWAY = "away"
    #: It may have been done: the line broke while it was committed.
    UNKNOWN = "unknown"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsent:
    """What a request brought that was not done: to be sent again, or looked at in its form.

    `fields` are (name, value) pairs; none for a request that only looks.
    """

    address: str
    page: str
    fields: list[tuple[str, str]] = field(default_factory=list)
    has_form: bool = False
    lacks_password: bool = False


def failure_of(error: Exception, request: HttpRequest) -> Failure | None:
    """Return what an error means for who asked; None for one that is a fault of the program."""
    if isinstance(error, CommitUnknownError):
        return Failure.UNKNOWN
    state = _sqlstate(error)
    if isinstance(error, InternalError) and state != _READ_ONLY:
        return None
    if isinstance(error, DATABASE_ERRORS):
        # A part was stored already, or all of it, and only the answer could not be made.
        if has_committed():
            return Failure.UNKNOWN
        return Failure.LOCKED if state in _LOCKED else Failure.AWAY
    if isinstance(error, IntegrityError) and request.method == "POST" and state in _CHANGED:
        return Failure.UNKNOWN if has_committed() else Failure.CHANGED
    return None


def failure_answer(request: HttpRequest, failure: Failure, error: Exception) -> HttpResponse:
    """Return the page of what could not be done, without a query; to htmx no more than the kind."""
    logger.warning("%s %s: %s: %s", request.method, request.path, failure, error)
    status = 409 if failure == Failure.CHANGED else 503
    if _wants_fragment(request):
        response = HttpResponse(status=status)
    else:
        context = {"failure": failure.value, "unsent": _unsent(request)}
        response = render(request, "console/unavailable.html", context, status=status)
    response[KIND_HEADER] = failure.value
    if status != 409:
        seconds = RETRY_LOCKED_S if failure == Failure.LOCKED else RETRY_AWAY_S
        response["Retry-After"] = str(seconds)
    add_never_cache_headers(response)
    patch_vary_headers(response, ["HX-Request"])
    return response


class UnavailableMiddleware(MiddlewareMixin):
    """Answer for every view what the database did not do.

    Comes after AuthenticationMiddleware and before all that asks who the person is.
    """

    def process_request(self, request: HttpRequest) -> HttpResponse | None:
        """Find out who asks, which all that comes behind wants to know."""
        commits_forget()
        try:
            # Reads the session and the person, both kept with the request.
            _ = request.user.is_authenticated
        except DATABASE_ERRORS as error:
            # So that nothing asks once more while the page is made.
            request.user = AnonymousUser()
            return self.process_exception(request, error)
        return None

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Answer for a view; leave what is a fault of the program to Django."""
        failure = failure_of(exception, request)
        return None if failure is None else failure_answer(request, failure, exception)


class SafeSessionMiddleware(SessionMiddleware):
    """Django's; where a session cannot be stored at the end, the answer says so."""

    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        """Store the session."""
        try:
            return super().process_response(request, response)
        except DATABASE_ERRORS as error:
            return failure_answer(request, Failure.UNKNOWN, error)


def _wants_fragment(request: HttpRequest) -> bool:
    return hasattr(request, "htmx") and wants_fragment(cast("HtmxHttpRequest", request))


def _unsent(request: HttpRequest) -> Unsent:
    address = request.get_full_path()
    if request.method != "POST":
        return Unsent(address=address, page=page_of(request))
    # Set once the token was found to be right.
    is_trusted = getattr(request, "csrf_processing_done", False) or is_from_here(request)
    if not is_trusted:
        return Unsent(address=reverse("network"), page="")
    match = request.resolver_match
    return Unsent(
        address=address,
        page=page_of(request),
        fields=[
            (name, value)
            for name, values in request.POST.lists()
            for value in values
            if not is_left_out(name)
        ],
        has_form=match is not None and match.url_name in SHOWN_AGAIN,
        lacks_password=any("password" in name.lower() for name in request.POST),
    )


def _sqlstate(error: Exception) -> str | None:
    for each in (error, error.__cause__):
        if isinstance(each, psycopg.Error):
            return each.sqlstate
    return None
