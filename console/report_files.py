"""Reports as CSV and JSON: every figure of a page, in full precision and without its markup.

CSV is one table of all parts, a line each: what part it belongs to, what it is about, and the same
figures in the same columns. Decimals are plain, with a point; days are ISO dates.
"""

from __future__ import annotations

import csv
import dataclasses
import datetime
import io
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from django.http import HttpResponse, JsonResponse

from ledger.models import Correction, Delivery, Dip, FiscalDay
from ledger.selectors.measures import Measure
from ledger.selectors.reports import ByKind, CurrencyReport, PeriodReport
from ledger.selectors.reports_day import DayReport
from ledger.selectors.reports_stock import TankTrend

COLUMNS = (
    *("part", "currency", "about", "kind", "entries", "litres", "gross", "tax", "net"),
    "gross_without_rate",
)
STOCK_COLUMNS = (
    *("fiscal_day", "tank", "product", "opening_l", "delivered_l", "metered_l"),
    *("metered_by", "tests_returned_l", "book_l", "closing_l", "variance_l"),
)
Row = tuple[Any, ...]
#: The last columns of lines that are about no money, and of those without any figure.
_NO_MONEY = ("", "", "", "")
_NO_FIGURES = ("", "", *_NO_MONEY)
#: What a spreadsheet reads as the beginning of a formula.
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def csv_file(name: str, columns: tuple[str, ...], rows: Iterator[Row]) -> HttpResponse:
    """Answer with a CSV file."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(tuple(map(_guarded, row)) for row in rows)
    response = HttpResponse(text.getvalue(), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    return response


def _guarded(value: Any) -> Any:
    """Keep a text from being read as a formula: products and notes come from outside."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA_STARTS) else value


def json_file(name: str, value: Any) -> JsonResponse:
    """Answer with a JSON file."""
    response = JsonResponse(plain(value), json_dumps_params={"indent": 1})
    response["Content-Disposition"] = f'attachment; filename="{name}.json"'
    return response


def plain(value: Any) -> Any:
    """Return a report as JSON has it: decimals as strings, days and times as ISO 8601."""
    if isinstance(value, Measure):
        return {
            "entries": value.count,
            "litres": str(value.volume),
            "gross": str(value.amount),
            "tax": plain(value.tax),
            "net": plain(value.net),
            "gross_without_rate": plain(value.gross_without_rate),
        }
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        found = {each.name: plain(getattr(value, each.name)) for each in dataclasses.fields(value)}
        for name, attribute in vars(type(value)).items():
            if isinstance(attribute, property):
                found[name] = plain(getattr(value, name))
        return found
    if isinstance(value, Correction | Delivery | Dip | FiscalDay):
        return {name: plain(each) for name, each in vars(value).items() if name[0] != "_"}
    if isinstance(value, dict):
        return {str(name): plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, datetime.date | datetime.datetime):
        return value.isoformat()
    if isinstance(value, bytes | memoryview):
        return bytes(value).hex()
    return value


def period_rows(report: PeriodReport) -> Iterator[Row]:
    """Yield the lines of a period's report."""
    for currency in report.currencies:
        yield from currency_rows(currency)
    yield from correction_rows(report.corrections)


def currency_rows(report: CurrencyReport) -> Iterator[Row]:
    """Yield the lines of one currency."""

    def row(part: str, about: Any, kind: str, measure: Measure) -> Row:
        return (part, report.currency, about, kind, *_figures(measure))

    def by_kind(part: str, about: Any, kinds: ByKind) -> Iterator[Row]:
        for kind in ("sales", "refunds", "tests", "drive_offs"):
            yield row(part, about, kind, getattr(kinds, kind))

    yield from by_kind("total", "", report.kinds)
    yield from by_kind("moved by corrections", "", report.moved)
    for product in report.products:
        yield from by_kind("product", product.product, product.kinds)
    for line in report.taxes:
        rate = "not stated" if line.tax_rate is None else line.tax_rate
        yield row("tax rate", rate, "turnover", line.turnover)
    for payment in report.payments:
        name = "not_stated" if payment.payment is None else payment.payment.name.lower()
        yield from by_kind("payment", name, payment.kinds)
    for hour in report.hours:
        yield row("hour", hour.hour, "turnover", hour.turnover)
    for time in report.times:
        yield row("day or month", time.day, "turnover", time.turnover)
    for site in report.sites:
        yield from by_kind("site", site.code, site.kinds)


def _figures(measure: Measure) -> Row:
    """Return the figures of a line; the csv module leaves empty what is unknown (None)."""
    taxes = (measure.tax, measure.net, measure.gross_without_rate)
    return (measure.count, measure.volume, measure.amount, *taxes)


def correction_rows(corrections: list[Correction]) -> Iterator[Row]:
    """Yield which corrections were posted, with the values that they state."""
    for one in corrections:
        about = f"{one.site.code}/{one.fiscal_day}/{one.sequence} revision {one.revision}"
        figures = (1, one.volume, one.amount, "", "", "")
        yield ("correction", one.site.currency, about, one.action, *figures)


def day_rows(report: DayReport) -> Iterator[Row]:
    """Yield the lines of an X or Z report."""
    currency = report.totals.currency
    for name, value in (
        ("z_number", report.seal.z_number),
        ("seal", report.seal.seal),
        ("previous_seal", report.seal.previous_seal),
        ("opened_at", plain(report.day.opened_at)),
        ("closed_at", plain(report.day.closed_at)),
        ("sealed_at", plain(report.day.sealed_at)),
        ("made_at", plain(report.made_at)),
        ("last_sequence", report.day.last_sequence),
        ("expected", report.day.expected_count),
        ("missing", report.day.missing_count),
    ):
        yield ("day", currency, name, value, *_NO_FIGURES)
    total = report.seal.perpetual_total
    yield ("perpetual total", currency, "", "", "", "", total, "", "", "")
    yield from currency_rows(report.totals)
    for line in report.nozzles:
        point = "" if line.fuelling_point is None else line.fuelling_point
        about = f"{point}/{line.nozzle} {line.product}"
        for kind in ("sales", "refunds", "tests", "drive_offs"):
            yield ("nozzle", currency, about, kind, *_figures(getattr(line.kinds, kind)))
        for name in ("opening", "closing"):
            yield ("totalizer", currency, about, name, "", getattr(line, name), *_NO_MONEY)
        difference = line.difference
        yield ("totalizer", currency, about, "metered_less_ledger", "", difference, *_NO_MONEY)
    for dip in report.dips:
        for name in ("opening_volume", "closing_volume"):
            yield ("dip", currency, dip.tank, name, "", getattr(dip, name), *_NO_MONEY)
    for one_delivery in report.deliveries:
        about = f"tank {one_delivery.tank} {one_delivery.product} {one_delivery.document}".strip()
        at = plain(one_delivery.at)
        yield ("delivery", currency, about, at, "", one_delivery.volume, *_NO_MONEY)
    yield from correction_rows(report.corrections)


def stock_rows(trends: list[TankTrend]) -> Iterator[Row]:
    """Yield the lines of a wet-stock trend."""
    for trend in trends:
        for line in trend.lines:
            was = line.movement
            yield (
                *(line.day, trend.tank, trend.product, was.opening, was.delivered, was.metered),
                *(was.metered_by.value, was.tests, was.book, was.closing, was.variance),
            )
