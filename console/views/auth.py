"""Signing in and out, and the language, which is chosen on either side of it."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth import login, logout
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.forms import AuthenticationForm
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest, HttpResponseRedirect
from django.shortcuts import redirect, render, resolve_url
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from console.forms.answers import SeeOther
from console.htmx import HtmxHttpRequest, wants_fragment
from console.languages import is_offered, language_choose, set_language_cookie
from console.models import User
from console.typed import Typed, address_after, is_from_here, typed_carried, typed_in
from ledger.services.transactions import durable


@login_not_required
@sensitive_post_parameters("password")
@never_cache
@require_http_methods(["GET", "POST"])
def sign_in(request: HtmxHttpRequest) -> HttpResponse:
    """Show the form; sign the person in and send them where they wanted to go."""
    form = AuthenticationForm(request, request.POST if request.method == "POST" else None)
    typed = typed_carried(request)
    if request.method == "POST" and form.is_valid():
        person = form.get_user()
        with durable():
            login(request, person)
        response = HttpResponseRedirect(
            address_after(request, typed) if typed else _next_url(request)
        )
        if is_offered(person.language):
            set_language_cookie(response, person.language)
        return response
    if request.user.is_authenticated and not form.is_bound:
        return HttpResponseRedirect(_next_url(request))
    return _sign_in_page(
        request, form=form, typed=typed, status=422 if form.is_bound else 200, is_late=False
    )


def sign_in_first(request: HtmxHttpRequest, typed: Typed) -> HttpResponse:
    """Answer who sent something and is not signed in: 401, the form to do so, and what they typed.

    To htmx, which would put it into a part of a page, the status alone: `forms.js` does the rest.
    """
    if wants_fragment(request):
        return HttpResponse(status=401, headers={"WWW-Authenticate": "Form"})
    form = AuthenticationForm(request)
    response = _sign_in_page(request, form=form, typed=typed, status=401, is_late=True)
    response["WWW-Authenticate"] = "Form"
    return response


@never_cache
def page_too_old(request: HtmxHttpRequest, reason: str = "") -> HttpResponse:
    """Answer who sent a form whose token is not, or no longer, the one of this browser.

    Mostly they signed in anew in another window meanwhile. What they typed is shown again, if a
    page of this console sent it and the person is still the same; another site's page, which may
    try to make them send something, gets nothing out of it.
    """
    if wants_fragment(request):
        return HttpResponse(status=401, headers={"WWW-Authenticate": "Form"})
    is_late_sign_in = request.path == reverse("sign_in")
    typed = typed_carried(request) if is_late_sign_in else typed_in(request)
    if not is_from_here(request):
        return render(request, "403_csrf.html", status=403)
    if request.user.is_authenticated:
        return SeeOther(address_after(request, typed) if typed else _next_url(request))
    form = AuthenticationForm(request)
    return _sign_in_page(request, form=form, typed=typed, status=403, is_late=True)


def _sign_in_page(
    request: HttpRequest,
    *,
    form: AuthenticationForm,
    typed: Typed | None,
    status: int,
    is_late: bool,
) -> HttpResponse:
    context = {
        "form": form,
        "next": request.POST.get("next", request.GET.get("next", "")),
        "is_invalid": form.is_bound,
        "is_late": is_late,
        "typed": typed,
        "carried": typed.signed() if typed else "",
    }
    return render(request, "console/sign_in.html", context, status=status)


@login_not_required
@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    """End the session."""
    with durable():
        logout(request)
    return redirect(settings.LOGOUT_REDIRECT_URL)


@login_not_required
@require_POST
def language(request: HttpRequest) -> HttpResponse:
    """Speak another language from now on, and go back to where it was chosen."""
    chosen = request.POST.get("language", "")
    if not is_offered(chosen):
        return HttpResponseBadRequest(_("There is no such language."), content_type="text/plain")
    if isinstance(request.user, User):
        language_choose(person=request.user, language=chosen)
    response = HttpResponseRedirect(_next_url(request))
    set_language_cookie(response, chosen)
    return response


def _next_url(request: HttpRequest) -> str:
    """Return where the person wanted to go, if that is on this console."""
    url = request.POST.get("next", request.GET.get("next", ""))
    if url_has_allowed_host_and_scheme(
        url, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    ):
        return url
    return resolve_url(settings.LOGIN_REDIRECT_URL)
