"""Reports: the hub, a period, a fiscal day (X and Z), the wet stock, and the audit export."""

from __future__ import annotations

import datetime
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET

from console import report_files
from console.access import sees_all_sites, site_for, visible_site_ids, visible_sites
from console.audit_export import write_audit_archive
from console.exports import Export, export_answer
from console.forms.reports import (
    DayReportForm,
    ReportPeriodForm,
    StockPeriodForm,
    default_period,
)
from console.spool import Spool
from console.views.day import fiscal_day_for
from ledger.models import FiscalDay
from ledger.plausible import plausible
from ledger.selectors.days import product_families
from ledger.selectors.reports_day import day_report
from ledger.selectors.reports_stock import stock_trend
from ledger.services.month_totals import period_report_summed_up

#: The hub lists this many of the newest fiscal days, and a page of a report this many sites.
DAYS_LISTED_MAX = 20
SITES_SHOWN_MAX = 100


@require_GET
def reports(request: HttpRequest) -> HttpResponse:
    """Show which reports there are, with the newest fiscal days."""
    return _hub(request, DayReportForm(visible=visible_sites(request.user), auto_id="day_%s"))


@require_GET
def report_find(request: HttpRequest) -> HttpResponse:
    """Go to the X or Z report of the fiscal day that was asked for, wherever it is listed."""
    visible = visible_sites(request.user)
    form = DayReportForm(request.GET, visible=visible, auto_id="day_%s")
    if not form.is_valid():
        return _hub(request, form, status=422)
    values = form.cleaned_data
    return redirect("report_day", values["site"].code, values["fiscal_day"])


def _hub(request: HttpRequest, day_form: DayReportForm, *, status: int = 200) -> HttpResponse:
    visible = visible_sites(request.user)
    period = default_period(timezone.now().date())
    now = timezone.now()
    days = plausible(
        FiscalDay.objects.filter(fiscal_day__gte=now.date() - datetime.timedelta(days=7)), now
    ).select_related("site")
    site_ids = visible_site_ids(request.user)
    if site_ids is not None:
        days = days.filter(site__in=site_ids)
    context = {
        "period_form": ReportPeriodForm(period, visible=visible, auto_id="period_%s"),
        "stock_form": StockPeriodForm(initial=period, visible=visible, auto_id="stock_%s"),
        "export_form": ReportPeriodForm(period, visible=visible, auto_id="export_%s"),
        "day_form": day_form,
        "days": days.order_by("-fiscal_day", "site")[:DAYS_LISTED_MAX],
    }
    return render(request, "console/reports.html", context, status=status)


@require_GET
def report_period(request: HttpRequest) -> HttpResponse:
    """Show the report of a period, or answer with it as CSV or JSON."""
    form = _period_form(request)
    if not form.is_valid():
        return _refused(request, form)
    values = form.cleaned_data
    sites, seen = values["sites"], visible_site_ids(request.user)
    report = period_report_summed_up(
        sites=seen if sites is None else sites, first=values["first"], last=values["last"]
    )
    name = f"report_{values['first'] or 'start'}_{values['last'] or 'now'}"
    wanted = request.GET.get("format")
    if wanted == "csv":
        return report_files.csv_file(name, report_files.COLUMNS, report_files.period_rows(report))
    if wanted == "json":
        return report_files.json_file(name, report)
    context = {
        "form": form,
        "report": report,
        "sites_max": SITES_SHOWN_MAX,
        "query": _query(request),
        "sites": sites,
        "is_everywhere": sites is None and seen is None,
    }
    return render(request, "console/report_period.html", context)


@require_GET
def report_day(request: HttpRequest, code: str, fiscal_day: datetime.date) -> HttpResponse:
    """Show the X or Z report of a fiscal day, or answer with it as CSV or JSON."""
    site = site_for(request.user, code)
    report = day_report(fiscal_day_for(site, fiscal_day))
    name = f"{'Z' if report.is_final else 'X'}_{site.code}_{fiscal_day}"
    wanted = request.GET.get("format")
    if wanted == "csv":
        return report_files.csv_file(name, report_files.COLUMNS, report_files.day_rows(report))
    if wanted == "json":
        return report_files.json_file(name, report)
    context = {
        "site": site,
        "report": report,
        "families": product_families(site),
        "archive": urlencode({"first": fiscal_day, "last": fiscal_day, "sites": site.code}),
    }
    return render(request, "console/report_day.html", context)


@require_GET
def report_stock(request: HttpRequest) -> HttpResponse:
    """Show how much more or less a site's tanks hold than they should."""
    visible = visible_sites(request.user)
    data = request.GET if "first" in request.GET else {**request.GET.dict(), **_this_month()}
    # Who comes without having asked for anything has not forgotten to name the site.
    is_asked = bool(request.GET)
    form = StockPeriodForm(data if is_asked else None, initial=_this_month(), visible=visible)
    if not form.is_valid():
        empty: dict[str, Any] = {"form": form, "site": None, "trends": []}
        empty |= {"query": "", "families": {}}
        return render(request, "console/report_stock.html", empty, status=422 if is_asked else 200)
    values = form.cleaned_data
    site = values["site"]
    trends = stock_trend(site=site, first=values["first"], last=values["last"])
    name = f"stock_{site.code}_{values['first'] or 'start'}_{values['last'] or 'now'}"
    wanted = request.GET.get("format")
    if wanted == "csv":
        rows = report_files.stock_rows(trends)
        return report_files.csv_file(name, report_files.STOCK_COLUMNS, rows)
    if wanted == "json":
        return report_files.json_file(name, {"site": site.code, "tanks": trends})
    context = {
        "form": form,
        "site": site,
        "first": values["first"],
        "last": values["last"],
        "trends": trends,
        "query": _query(request),
        "families": product_families(site),
    }
    return render(request, "console/report_stock.html", context)


@require_GET
async def report_export(request: HttpRequest) -> HttpResponse | StreamingHttpResponse:
    """Send everything of a period as one archive, which explains and verifies itself."""
    return await export_answer(request, _archive)


def _archive(request: HttpRequest) -> Export | HttpResponse:
    form = _period_form(request)
    if not form.is_valid():
        return _refused(request, form)
    values = form.cleaned_data
    seen = visible_site_ids(request.user)
    sites = values["sites"]
    site_ids = seen if sites is None else frozenset(site.pk for site in sites)
    first, last = values["first"], values["last"]
    asked: dict[str, Any] = {
        "asked_by": request.user.get_username(),
        "with_network": sees_all_sites(request.user),
    }

    def write(connection: Any, spool: Spool) -> None:
        raw = connection.connection
        write_audit_archive(raw, spool, site_ids=site_ids, first=first, last=last, **asked)

    name = f"audit_{first or 'start'}_{last or 'now'}.zip"
    return Export(write=write, name=name, content_type="application/zip")


def _period_form(request: HttpRequest) -> ReportPeriodForm:
    data: Any = request.GET
    if "first" not in data and "last" not in data:
        data = {**data.dict(), **_this_month()}
    return ReportPeriodForm(data, visible=visible_sites(request.user))


def _refused(request: HttpRequest, form: ReportPeriodForm) -> HttpResponse:
    """Show what is wrong with a period or its sites."""
    context = {
        "form": form,
        "report": None,
        "sites": None,
        "sites_max": SITES_SHOWN_MAX,
        "query": "",
    }
    return render(request, "console/report_period.html", context, status=422)


def _this_month() -> dict[str, str]:
    return default_period(timezone.now().date())


def _query(request: HttpRequest) -> str:
    """Return what was asked for, without the format, to ask for it in another one."""
    query = request.GET.copy()
    query.pop("format", None)
    return query.urlencode()
