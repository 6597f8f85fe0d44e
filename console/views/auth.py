"""Signing in and out, and the language, which is chosen on either side of it."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth import login, logout
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.forms import AuthenticationForm
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest, HttpResponseRedirect
from django.shortcuts import redirect, render, resolve_url
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from console.htmx import HtmxHttpRequest, wants_fragment
from console.languages import is_offered, language_choose, set_language_cookie
from console.models import User


@login_not_required
@sensitive_post_parameters("password")
@never_cache
@require_http_methods(["GET", "POST"])
def sign_in(request: HtmxHttpRequest) -> HttpResponse:
    """Show the form; sign the person in and send them where they wanted to go."""
    if wants_fragment(request):
        # A poll of a page whose session ended: load the page anew, which asks to sign in.
        return HttpResponse(status=204, headers={"HX-Refresh": "true"})
    form = AuthenticationForm(request, request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        person = form.get_user()
        login(request, person)
        response = HttpResponseRedirect(_next_url(request))
        if is_offered(person.language):
            set_language_cookie(response, person.language)
        return response
    if request.user.is_authenticated and not form.is_bound:
        return HttpResponseRedirect(_next_url(request))
    context = {
        "form": form,
        "next": request.POST.get("next", request.GET.get("next", "")),
        "is_invalid": form.is_bound,
    }
    return render(request, "console/sign_in.html", context, status=422 if form.is_bound else 200)


@login_not_required
@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    """End the session."""
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
