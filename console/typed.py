"""What somebody typed and could not send: it stays, and is there again once they signed in.

Whoever sends a form after their session ended, or from a page whose token is no longer the one of
this browser, sends everything that they typed. The answer is the form to sign in, which carries
it along, signed; once the same person signed in, their session holds it, and the form is shown
with it again. It is never sent by itself:

- the form is shown as if the person had asked for another row (`console.forms.base.SHOW_AGAIN`):
  nothing is checked, nothing is stored;
- and while it is shown, the database itself refuses to write.

All of it works without JavaScript and for each form whose address is one of `SHOWN_AGAIN`; with it
`static/console/forms.js` sends such a form the plain way when htmx was refused. Each form says for
whom it was made (`templates/forms/_token.html`): what one person typed is never shown to another.
Passwords are never carried. What is carried is signed and not secret: it lies in the page of the
browser that it was typed into. A session keeps one form, the latest.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any, cast
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.core import signing
from django.core.exceptions import PermissionDenied
from django.db import InterfaceError, OperationalError, connection, transaction
from django.http import Http404, HttpRequest, HttpResponseBase, QueryDict
from django.urls import reverse
from django.utils.cache import add_never_cache_headers
from django.utils.deprecation import MiddlewareMixin
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _

from console.forms.base import SHOW_AGAIN
from console.htmx import HtmxHttpRequest, wants_fragment

#: The field of a form that says for whom it was made.
TYPED_BY = "typed_by"
#: The query's parameter that asks for what was typed, by its name in the session.
TYPED = "typed"
#: The field of the sign-in form that carries what was typed.
CARRIED = "carried"
#: More than this is not carried: the person is told to copy it. A message's text, which is the
#: longest that anybody types, is 64 KiB at most.
CARRIED_BYTES_MAX = 256 * 1024
#: How long somebody may take to sign in, in seconds.
CARRIED_FOR_S = 12 * 3600

#: The addresses, by name, whose forms are shown again. Others are buttons: there is nothing typed.
SHOWN_AGAIN = frozenset(
    {
        "add",
        "close_day",
        "correct",
        "correct_many",
        "decide",
        "explain_difference",
        "person",
        "person_new",
        "quarantine_decide",
        "quarantine_mend",
        "quarantine_message_decide",
        "quarantine_register",
        "site_equipment",
        "site_new",
        "site_setup",
        "void",
    }
)

_SALT = "console.typed"
_SESSION_KEY = "typed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Typed:
    """What was sent: to which address, from which page (empty: not known), and for whom it was.

    `fields` are empty where there is nothing to show again, and where it `is_too_long`.
    """

    address: str
    page: str
    person: str
    fields: dict[str, list[str]]
    is_too_long: bool = False

    def is_of(self, user: AbstractBaseUser | AnonymousUser) -> bool:
        """Say whether this person typed it."""
        return bool(self.person) and self.person == str(user.pk)

    def signed(self) -> str:
        """Return it as a form can carry it, so that nobody can make one up."""
        return signing.dumps(asdict(self), salt=_SALT, compress=True)


def typed_in(request: HttpRequest) -> Typed:
    """Return what a refused request sent."""
    match = request.resolver_match
    is_form = match is not None and match.url_name in SHOWN_AGAIN and TYPED_BY in request.POST
    fields = {
        name: values
        for name, values in request.POST.lists()
        if is_form and name != TYPED_BY and not is_left_out(name)
    }
    size = sum(len(part.encode()) for name, values in fields.items() for part in (name, *values))
    return Typed(
        address=request.get_full_path(),
        page=page_of(request),
        person=request.POST.get(TYPED_BY, "")[:20],
        fields=fields if size <= CARRIED_BYTES_MAX else {},
        is_too_long=size > CARRIED_BYTES_MAX,
    )


def typed_carried(request: HttpRequest) -> Typed | None:
    """Return what a sign-in form carried; None for none, for a forged one, and for an old one."""
    try:
        carried = request.POST.get(CARRIED, "")
        return Typed(**signing.loads(carried, salt=_SALT, max_age=CARRIED_FOR_S))
    except signing.BadSignature:
        return None


def is_from_here(request: HttpRequest) -> bool:
    """Say whether a page of this console sent the request: browsers tell, and no page can lie."""
    own = f"{request.scheme}://{request.get_host()}"
    return request.headers.get("Origin") in {own, *settings.CSRF_TRUSTED_ORIGINS}


def address_after(request: HttpRequest, typed: Typed) -> str:
    """Return where a person goes on who has signed in, or is; keeps for them what they typed."""
    if typed.fields and typed.is_of(request.user):
        name = secrets.token_urlsafe(9)
        request.session[_SESSION_KEY] = {
            "name": name,
            "address": typed.address,
            "fields": typed.fields,
        }
        return f"{typed.address}{'&' if '?' in typed.address else '?'}{TYPED}={name}"
    if typed.fields:
        messages.info(
            request, _("What was typed before was somebody else's, so it is not shown to you.")
        )
        return reverse(settings.LOGIN_REDIRECT_URL)
    messages.info(request, _("That came too late, and nothing was changed. Do it again here."))
    return typed.page or reverse(settings.LOGIN_REDIRECT_URL)


class SignInMiddleware(LoginRequiredMiddleware):
    """Ask who is not signed in to do so; what they sent is not lost over it."""

    # Django's stubs know redirects alone.
    def handle_no_permission(  # type: ignore[override]
        self, request: HttpRequest, view_func: Callable[..., Any]
    ) -> HttpResponseBase:
        """Redirect who only looks; answer 401 to who sent something, and to htmx."""
        # Here, because that view answers with what this module keeps.
        from console.views.auth import sign_in_first

        asked = cast("HtmxHttpRequest", request)
        if request.method == "POST" or wants_fragment(asked):
            return sign_in_first(asked, typed_in(request))
        return super().handle_no_permission(request, view_func)


class TypedMiddleware(MiddlewareMixin):
    """Show a form again with what was typed, where the address asks for it."""

    def process_view(
        self,
        request: HttpRequest,
        view_func: Callable[..., HttpResponseBase],
        view_args: Sequence[Any],
        view_kwargs: dict[str, Any],
    ) -> HttpResponseBase | None:
        """Answer with the view as if the form had been sent, though nothing can be stored."""
        match = request.resolver_match
        if match is None or match.url_name not in SHOWN_AGAIN or not request.user.is_authenticated:
            return None
        kept = request.session.get(_SESSION_KEY)
        if not kept:
            return None
        if request.method == "POST" and request.get_full_path() == kept["address"]:
            # The person sends it now, or something newer.
            del request.session[_SESSION_KEY]
            return None
        if request.method != "GET" or request.GET.get(TYPED) != kept["name"]:
            return None
        _as_if_sent(request, kept["fields"])
        messages.info(
            request,
            _("This is what you typed. Nothing of it was sent: look at it, and send it again."),
        )
        try:
            with _nothing_stored():
                response = view_func(request, *view_args, **view_kwargs)
        except (Http404, PermissionDenied) as refusal:
            # Here, because the middleware of refusals comes after this one.
            from console.middleware import refusal_of

            return refusal_of(request, refusal)
        except (OperationalError, InterfaceError) as error:
            # Here, because that module answers with what this one knows.
            from console.unavailable import failure_answer, failure_of

            if (failure := failure_of(error, request)) is None:
                raise
            return failure_answer(request, failure, error)
        add_never_cache_headers(response)
        return response


def _as_if_sent(request: HttpRequest, fields: dict[str, list[str]]) -> None:
    sent = QueryDict(mutable=True)
    for name, values in fields.items():
        sent.setlist(name, values)
    sent[SHOW_AGAIN] = "1"
    asked = request.GET.copy()
    del asked[TYPED]
    request.GET, request.POST = asked, sent  # type: ignore[assignment]
    request.method = "POST"


@contextmanager
def _nothing_stored() -> Iterator[None]:
    """Let the database refuse every change, whatever the view does."""
    with transaction.atomic(durable=True):
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION READ ONLY")
        yield
        transaction.set_rollback(True)


def is_left_out(name: str) -> bool:
    """Say whether a field is never carried: tokens and passwords."""
    return name in {"csrfmiddlewaretoken", SHOW_AGAIN} or "password" in name.lower()


def page_of(request: HttpRequest) -> str:
    """Return the page that a request came from, if it is one of this console."""
    page = request.headers.get("Referer", "")
    if not url_has_allowed_host_and_scheme(
        page, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    ):
        return ""
    parts = urlsplit(page)
    return f"{parts.path}?{parts.query}" if parts.query else parts.path
