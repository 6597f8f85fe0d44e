"""The network page: how all the sites are that a person may see."""

from __future__ import annotations

from typing import Any

from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET
from django.views.decorators.vary import vary_on_headers

from console.access import visible_site_ids, visible_sites
from console.forms.filters import SiteFilterForm
from console.fragments import NetworkFragment, SiteIds
from console.htmx import HtmxHttpRequest, wants_fragment
from console.pieces import network_pieces
from ledger.models import Quarantine, Site
from ledger.selectors.attention import attention_list
from ledger.selectors.ingest import ingest_pulse, quarantine_waiting
from ledger.selectors.sites import site_counts, site_matches, site_rows, site_search

#: The table shows this many sites at a time.
SITES_PER_PAGE = 50
#: A page further back than this is not offered: a search is the way there.
PAGES_MAX = 1_000


def _sites(site_ids: SiteIds) -> QuerySet[Site]:
    return Site.objects.all() if site_ids is None else Site.objects.filter(id__in=site_ids)


def _quarantine(site_ids: SiteIds) -> QuerySet[Quarantine]:
    if site_ids is None:
        return Quarantine.objects.all()
    return Quarantine.objects.filter(site__in=site_ids)


def figures_context(site_ids: SiteIds) -> dict[str, Any]:
    """Context of `_network_figures.html`. The ingest is one; sites and quarantine are one's own."""
    return {
        "pulse": ingest_pulse(),
        "is_whole_network": site_ids is None,
        "waiting": quarantine_waiting(_quarantine(site_ids)),
        "counts": site_counts(_sites(site_ids)),
    }


def attention_context(site_ids: SiteIds) -> dict[str, Any]:
    """Context of `_network_attention.html`."""
    sites = _sites(site_ids)
    return {
        "attention": attention_list(sites, pulse=ingest_pulse(), quarantine=_quarantine(site_ids)),
        "counts": site_counts(sites),
    }


def sites_context(
    site_ids: SiteIds, *, text: str = "", state: str = "", page: str | None = None
) -> dict[str, Any]:
    """Context of `_network_sites.html`; without arguments the unfiltered first page."""
    found = site_search(_sites(site_ids), text=text, states=[state] if state else [])
    sites = Paginator(found.order_by("code"), SITES_PER_PAGE).get_page(page)
    return {
        "page": sites,
        "rows": site_rows(list(sites)),
        "text": text,
        "state": state,
        "is_filtered": bool(text or state),
    }


NETWORK_FRAGMENTS = {
    fragment.name: fragment
    for fragment in (
        NetworkFragment(
            name="network_figures",
            template="console/_network_figures.html",
            context=figures_context,
        ),
        NetworkFragment(
            name="network_attention",
            template="console/_network_attention.html",
            context=attention_context,
        ),
        NetworkFragment(
            name="network_sites",
            template="console/_network_sites.html",
            context=sites_context,
        ),
    )
}


@require_GET
@vary_on_headers("HX-Request")
def network(request: HtmxHttpRequest) -> HttpResponse:
    """Show the network, or only the table of sites when htmx narrows it down."""
    site_ids = visible_site_ids(request.user)
    form = SiteFilterForm(request.GET)
    text, state = form.values.get("q", "").strip(), form.values.get("state", "")
    page = request.GET.get("page")
    context: dict[str, Any] = {"form": form, "is_live": not (text or state or page)}
    shown = dict(NETWORK_FRAGMENTS)
    if wants_fragment(request):
        shown = {"network_sites": shown["network_sites"]}
    if not context["is_live"]:
        # The table stands still then, in the place of its live piece.
        del shown["network_sites"]
        context |= sites_context(site_ids, text=text, state=state, page=page)
    context["pieces"] = network_pieces(shown, site_ids)
    if wants_fragment(request):
        return render(request, "console/_network_table.html", context)
    return render(request, "console/network.html", context)


@require_GET
def site_options(request: HtmxHttpRequest) -> HttpResponse:
    """Offer the sites that match what was typed into the site switcher."""
    text = request.GET.get("q", "").strip()[:80]
    matches = site_matches(visible_sites(request.user), text=text)
    return render(request, "console/_site_options.html", {"matches": matches, "text": text})
