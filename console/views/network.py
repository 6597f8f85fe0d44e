"""The network page: how all the sites are that a person may see."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.core.paginator import Paginator
from django.http import HttpResponse, QueryDict
from django.shortcuts import render
from django.template.loader import render_to_string
from django.views.decorators.http import require_GET
from django.views.decorators.vary import vary_on_headers

from console.access import visible_site_ids, visible_sites
from console.forms.filters import ANY_TOPIC, SiteFilterForm, SiteOrder
from console.fragments import NetworkFragment
from console.htmx import HtmxHttpRequest, wants_fragment
from console.live.service import SERVICE
from console.models import Role, User
from console.network_view import NetworkView
from console.parameters import text_asked
from console.pieces import network_pieces
from console.templatetags.figures import MEASURES
from ledger.models import Site
from ledger.selectors.attention import Topic, attention_list
from ledger.selectors.sites import site_matches, site_rows, site_search
from ledger.selectors.totals import site_volumes, today_totals

#: The table shows this many sites at a time: what needs attention comes first, the rest is found.
SITES_PER_PAGE = 25


def figures_context(view: NetworkView) -> dict[str, Any]:
    """Context of `_network_figures.html`. The ingest is one; sites and quarantine are one's own."""
    return {
        "pulse": view.pulse,
        "is_whole_network": view.is_whole,
        "waiting": view.attention.waiting,
        "counts": view.counts,
    }


def attention_context(view: NetworkView) -> dict[str, Any]:
    """Context of `_network_attention.html`."""
    return {
        "attention": attention_list(view.attention, groups_sites=True),
        "counts": view.counts,
    }


def ingest_context(view: NetworkView) -> dict[str, Any]:
    """Context of `_network_ingest.html`. Workers are named to those who see the whole network."""
    live = SERVICE.hub.counts
    return {
        "pulse": view.pulse,
        "is_whole_network": view.is_whole,
        "skipped_updates": live.skipped,
        "failed_renders": live.failed_renders,
    }


def charts_context(view: NetworkView) -> dict[str, Any]:
    """Context of `_network_charts.html`: whole minutes alone, so that it seldom changes."""
    minutes = tuple(view.pulse.minutes)
    return {
        "minutes": minutes,
        "has_reports": any(minute.reports for minute in minutes),
        "is_beginning": view.pulse.hour.reports > 0,
        "columns": tuple(name for name in MEASURES if view.is_whole or name != "quarantined"),
        "is_whole_network": view.is_whole,
    }


def sites_context(view: NetworkView, query: QueryDict | None = None) -> dict[str, Any]:
    """Context of `_network_sites.html`; without a query the first page of all sites."""
    query = QueryDict() if query is None else query
    form = SiteFilterForm(query)
    values = form.values
    text, state, topic = (values.get(name, "").strip() for name in ("q", "state", "topic"))
    is_filtered = bool(text or state or topic)
    ids = _ordered(view, _found(view, text=text, state=state, topic=topic), values.get("sort", ""))
    page = Paginator(ids, SITES_PER_PAGE).get_page(form.place("page") or 1)
    sites = Site.objects.select_related("status").in_bulk(list(page))
    return {
        "page": page,
        "rows": site_rows([sites[site_id] for site_id in page if site_id in sites]),
        "troubles": view.attention.of_site,
        "totals": today_totals(site_ids=ids if is_filtered else view.site_ids),
        "query": query,
        "is_filtered": is_filtered,
    }


def _found(view: NetworkView, *, text: str, state: str, topic: str) -> list[int]:
    """Return the sites that match, by code."""
    found = site_search(view.sites, text=text, states=[state] if state else [])
    ids = list(found.order_by("code").values_list("id", flat=True))
    if not topic:
        return ids
    amiss = view.attention.of_site if topic == ANY_TOPIC else view.attention.site_ids(Topic(topic))
    return [site_id for site_id in ids if site_id in amiss]


def _ordered(view: NetworkView, ids: Sequence[int], order: str) -> Sequence[int]:
    """Put sites that come by code in the order that is asked for; sites that tie stay by code."""
    if order == SiteOrder.CODE:
        return ids
    if order == SiteOrder.LITRES:
        volumes = site_volumes(site_ids=view.site_ids)
        return sorted(ids, key=lambda site_id: -volumes.get(site_id, 0))
    places = {site_id: place for place, site_id in enumerate(view.attention.of_site)}
    return sorted(ids, key=lambda site_id: places.get(site_id, len(places)))


#: What changes most comes first: streams send each as soon as it is rendered.
NETWORK_FRAGMENTS = {
    fragment.name: fragment
    for fragment in (
        NetworkFragment(
            name="network_figures",
            template="console/_network_figures.html",
            context=figures_context,
        ),
        NetworkFragment(
            name="network_sites",
            template="console/_network_sites.html",
            context=sites_context,
        ),
        NetworkFragment(
            name="network_attention",
            template="console/_network_attention.html",
            context=attention_context,
        ),
        NetworkFragment(
            name="network_ingest",
            template="console/_network_ingest.html",
            context=ingest_context,
        ),
        NetworkFragment(
            name="network_charts",
            template="console/_network_charts.html",
            context=charts_context,
            is_kept=True,
        ),
    )
}


@require_GET
@vary_on_headers("HX-Request")
def network(request: HtmxHttpRequest) -> HttpResponse:
    """Show the network, or only the table of sites when htmx narrows it down."""
    view = NetworkView(visible_site_ids(request.user))
    form = SiteFilterForm(request.GET)
    # The stream brings the first page of all sites in their usual order, and no other.
    is_live = not any(form.values.values()) and "page" not in request.GET
    context: dict[str, Any] = {
        "form": form,
        "is_live": is_live,
        "is_swapped": wants_fragment(request),
        # Whoever runs the console looks at it; to others it is there on demand.
        "opens_ingest": isinstance(request.user, User) and request.user.role == Role.ADMINISTRATOR,
    }
    fragments = {
        name: fragment
        for name, fragment in NETWORK_FRAGMENTS.items()
        if is_live or name != "network_sites"
    }
    if not is_live:
        # As the stream's pieces without the request, which makes each of hundreds of parts dearer.
        sites = sites_context(view, request.GET)
        context["sites_html"] = render_to_string("console/_network_sites.html", sites)
    if wants_fragment(request):
        fragments = {name: fragments[name] for name in fragments if name == "network_sites"}
        context["pieces"] = network_pieces(fragments, view)
        return render(request, "console/_network_table.html", context)
    context["pieces"] = network_pieces(fragments, view)
    return render(request, "console/network.html", context)


@require_GET
def site_options(request: HtmxHttpRequest) -> HttpResponse:
    """Offer the sites that match what was typed into the site switcher."""
    text = text_asked(request.GET, "q")
    matches = site_matches(visible_sites(request.user), text=text)
    return render(request, "console/_site_options.html", {"matches": matches, "text": text})
