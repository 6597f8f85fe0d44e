"""How a view answers a form: the form again with what is wrong, or the way onward.

    @require_http_methods(["GET", "POST"])
    def site_edit(request, code):
        form = SiteForm(request.POST or None, initial=...)
        if answer := field_check(request, form):
            return answer
        if form.is_valid():
            site_update(...)
            return done(request, reverse("site", args=[code]), _("Saved."))
        return form_answer(
            request, forms=[form], page="console/site_edit.html",
            partial="console/_site_form.html", context={"form": form},
        )

The page shows the partial in a place that htmx brings it up to date in:

    <div data-form hx-ext="morph" hx-target="this" hx-swap="morph">
      {% include "console/_site_form.html" %}
    </div>

and the partial is one element, whose id is its name:

    <form id="site_form" class="form" action="{{ url }}" method="post" novalidate
          hx-post="{{ url }}" hx-sync="this:drop">
      {% include "forms/_token.html" %} {% include "forms/_failed.html" %} {{ form }} <button …>
    </form>

Its address belongs into `console.typed.SHOWN_AGAIN`, so that nothing typed is lost with a session.

Without JavaScript the same view answers the same post with the whole page. A form stands outside
of the pieces that are streamed and polled, so that no update can touch what is half typed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from django import forms
from django.contrib import messages
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils.cache import patch_vary_headers

from console.htmx import HtmxHttpRequest, wants_fragment

AnyForm = forms.BaseForm | forms.BaseFormSet

#: The query's parameter that names the one field to be checked.
CHECK = "check"


class SeeOther(HttpResponseRedirect):
    """After a post: go there, by GET."""

    status_code = 303


def form_answer(
    request: HtmxHttpRequest,
    *,
    forms: Sequence[AnyForm],
    page: str,
    partial: str,
    context: dict[str, Any],
    is_refused: bool = False,
) -> HttpResponse:
    """Show a page's forms: 422 when something of them is wrong, the partial alone to htmx.

    `is_refused` makes it 422 although each form alone is right.
    """
    is_invalid = is_refused or any(has_errors(form) for form in forms)
    response = render(
        request,
        partial if wants_fragment(request) else page,
        {**context, "is_invalid": is_invalid},
        status=422 if is_invalid else 200,
    )
    patch_vary_headers(response, ["HX-Request"])
    return response


def done(request: HtmxHttpRequest, url: str, message: str = "") -> HttpResponse:
    """Go on to another page after something was stored; that page shows the message once."""
    if message:
        messages.success(request, message)
    if wants_fragment(request):
        return HttpResponse(headers={"HX-Redirect": url})
    return SeeOther(url)


def field_check(request: HtmxHttpRequest, *forms: AnyForm) -> HttpResponse | None:
    """Answer htmx's question whether one field is right, None when it asked no such thing.

    The answer is the inside of the field's element; what was typed stays in the browser. Nothing
    is stored. Http404 for a field that none of the forms has.
    """
    name = request.GET.get(CHECK)
    if name is None or request.method != "POST" or not wants_fragment(request):
        return None
    for form in _single(forms):
        for field in form:
            if field.html_name == name:
                return render(request, "forms/_field_inside.html", {"field": field})
    raise Http404


def has_errors(form: AnyForm) -> bool:
    """Say whether there is anything to be put right."""
    if not form.is_bound or getattr(form, "is_quiet", False):
        return False
    return not form.is_valid()


def _single(found: Iterable[AnyForm]) -> Iterable[forms.BaseForm]:
    for form in found:
        if isinstance(form, forms.BaseFormSet):
            yield from form.forms
        else:
            yield form
