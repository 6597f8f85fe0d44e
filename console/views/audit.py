"""The audit trail: who did what and when."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from functools import partial
from typing import Any, cast

from django.core.serializers.json import DjangoJSONEncoder
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET
from django.views.decorators.vary import vary_on_headers

from console.access import visible_audit
from console.exports import Export, export_answer
from console.forms.filters import AuditFilterForm
from console.htmx import HtmxHttpRequest, wants_fragment
from console.spool import Spool
from ledger.models import AuditEvent
from ledger.selectors.audit import audit_in_parts, audit_page

COLUMNS = (
    "id", "at", "actor", "actor_name", "action", "site", "fiscal_day", "sequence", "subject",
    "detail",
)  # fmt: skip
#: What a spreadsheet would take for a formula.
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


@require_GET
@vary_on_headers("HX-Request")
def audit(request: HtmxHttpRequest) -> HttpResponse:
    """List audit events, newest first."""
    return _list(request, AuditFilterForm(request.GET))


@require_GET
async def audit_export(request: HttpRequest, kind: str) -> HttpResponse | StreamingHttpResponse:
    """Send all events that the filter leaves, oldest first, as CSV or JSON Lines."""
    if kind not in WRITERS:
        raise Http404
    return await export_answer(request, partial(_events, kind=kind))


def _events(request: HttpRequest, *, kind: str) -> Export | HttpResponse:
    form = AuditFilterForm(request.GET)
    if not form.is_valid():
        # A file of more than was meant would not show it.
        return _list(cast("HtmxHttpRequest", request), form, status=422)
    events = form.only.of(visible_audit(request.user))
    lines, content_type = WRITERS[kind]

    def write(connection: Any, spool: Spool) -> None:
        for part in lines(audit_in_parts(events)):
            spool.write(part)

    name = f"audit-{timezone.now():%Y-%m-%d}.{kind}"
    return Export(write=write, name=name, content_type=content_type)


def _list(request: HtmxHttpRequest, form: AuditFilterForm, *, status: int = 200) -> HttpResponse:
    events = form.only.of(visible_audit(request.user))
    is_fragment = wants_fragment(request)
    context = {
        "form": form,
        "audit_page": audit_page(events, before=form.place("before")),
        "is_swapped": is_fragment,
    }
    template = "console/_audit_list.html" if is_fragment else "console/audit.html"
    return render(request, template, context, status=status)


def _row(event: AuditEvent) -> dict[str, Any]:
    return {
        "id": event.pk,
        "at": event.at,
        "actor": event.actor_id,
        "actor_name": event.actor_name,
        "action": event.action,
        "site": event.site and event.site.code,
        "fiscal_day": event.fiscal_day,
        "sequence": event.sequence,
        "subject": event.subject,
        "detail": event.detail,
    }


def _jsonl(parts: Iterator[list[AuditEvent]]) -> Iterator[bytes]:
    for part in parts:
        lines = [
            json.dumps(_row(event), cls=DjangoJSONEncoder, ensure_ascii=False) for event in part
        ]
        yield ("\n".join(lines) + "\n").encode()


def _csv(parts: Iterator[list[AuditEvent]]) -> Iterator[bytes]:
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer)
    writer.writerow(COLUMNS)
    yield _emptied(buffer)
    for part in parts:
        writer.writerows([_cell(value) for value in _row(event).values()] for event in part)
        yield _emptied(buffer)


def _emptied(buffer: io.StringIO) -> bytes:
    text = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return text.encode()


def _cell(value: Any) -> Any:
    """Return a value as a cell: text that looks like a formula is marked as text."""
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False)
    if hasattr(value, "isoformat"):
        return value.isoformat()
    if isinstance(value, str) and value.startswith(_FORMULA_STARTS):
        return f"'{value}"
    return value


#: How each kind of file is written, and what it is.
WRITERS = {"csv": (_csv, "text/csv; charset=utf-8"), "jsonl": (_jsonl, "application/jsonl")}
