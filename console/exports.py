"""Downloads that may be long: written to a bounded file first, in a thread with its own connection.

A reader then follows the file and holds nothing of the database, however slowly they read. How
many there are at once, how large each may be, how long one may be written and read is bounded;
what came to an end at a bound is counted (`/metrics`) and said in a sentence.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import psycopg
from asgiref.sync import sync_to_async
from django.conf import settings
from django.core.handlers.asgi import ASGIRequest
from django.db import OperationalError
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import render

from console.own_connection import connections_give_back, own_snapshot
from console.spool import (
    Spool,
    SpoolCancelled,
    SpoolNoRoom,
    SpoolReader,
    SpoolTooLarge,
    SpoolTooLong,
)

logger = logging.getLogger(__name__)

#: Writing one may take this long: as long does its snapshot keep the database from tidying up.
WRITING_MAX_S = 900
#: Reading one may take this long, from when its writing began.
READING_MAX_S = 3_600
#: One statement of it has no other limit.
_STATEMENT_MAX_S = WRITING_MAX_S
#: Who waits for one that is not written after this long gets what there is, and the rest as it
#: comes: a proxy gives up a server that is silent for a minute.
ANSWER_AFTER_S = 20.0
RETRY_AFTER_S = 60
CANCEL_TIMEOUT_S = 5.0
BYTES_PER_MB = 1_000_000

#: What becomes of an export; `left`: by its reader, before its end.
OUTCOMES = ("sent", "left", "too_large", "no_room", "too_long", "failed", "refused")


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """A file to be written: `write` gets Django's wrapper of a connection and the file."""

    write: Callable[[Any, Spool], None]
    name: str
    content_type: str


class ExportRefused(Exception):
    """There are as many exports as there may be; `is_own`: of this person."""

    def __init__(self, *, is_own: bool) -> None:
        super().__init__("there are too many exports")
        self.is_own = is_own


class Exports:
    """The exports of this process that are being written or read, and what became of all others."""

    def __init__(self) -> None:
        # One that nobody holds any more may be given back while this very thread takes one.
        self._lock = threading.RLock()
        self._open: Counter[int] = Counter()
        #: How many had which of OUTCOMES since the process began.
        self.outcomes: Counter[str] = Counter()

    @property
    def open_count(self) -> int:
        """How many there are now."""
        return self._open.total()

    def take(self, person_id: int) -> None:
        """Take a place; ExportRefused where there is none."""
        with self._lock:
            is_own = self._open[person_id] >= settings.EXPORTS_PER_PERSON_MAX
            if is_own or self._open.total() >= settings.EXPORTS_MAX:
                self.outcomes["refused"] += 1
                raise ExportRefused(is_own=is_own)
            self._open[person_id] += 1

    def give_back(self, person_id: int, outcome: str) -> None:
        """Give a place back."""
        with self._lock:
            self.outcomes[outcome] += 1
            self._open[person_id] -= 1
            if not self._open[person_id]:
                del self._open[person_id]


#: Those of this process.
EXPORTS = Exports()


async def export_answer(
    request: HttpRequest, wanted: Callable[[HttpRequest], Export | HttpResponse]
) -> HttpResponse | StreamingHttpResponse:
    """Answer with a file to be kept. `wanted` says which one, in the thread of the request.

    One that fails while it is already being sent breaks the answer off: nobody keeps half of it for
    the whole.
    """
    export = await sync_to_async(wanted)(request)
    if isinstance(export, HttpResponse):
        return export
    person_id = int(request.user.pk or 0)
    try:
        EXPORTS.take(person_id)
    except ExportRefused as refused:
        reason = "own" if refused.is_own else "all"
        return await sync_to_async(_refusal)(request, reason, status=429)
    try:
        spool = _spool()
    except SpoolNoRoom:
        EXPORTS.give_back(person_id, "no_room")
        return await sync_to_async(_refusal)(request, "room", status=507)
    except BaseException:
        EXPORTS.give_back(person_id, "failed")
        raise
    reader = SpoolReader(
        spool,
        reading_max_s=READING_MAX_S,
        on_close=lambda is_whole: EXPORTS.give_back(person_id, _outcome(spool, is_whole=is_whole)),
    )
    is_asgi = isinstance(request, ASGIRequest)
    try:
        # The request's own connection is not needed again, and this may take a while.
        await sync_to_async(connections_give_back)()
        spool.start(lambda spool: _write(export, spool))
        await spool.ended(ANSWER_AFTER_S if is_asgi else None)
    except (SpoolTooLarge, SpoolTooLong) as error:
        reader.close()
        reason = "large" if isinstance(error, SpoolTooLarge) else "long"
        return await sync_to_async(_refusal)(request, reason, status=422)
    except SpoolNoRoom:
        reader.close()
        return await sync_to_async(_refusal)(request, "room", status=507)
    except BaseException:
        reader.close()
        raise
    response = StreamingHttpResponse(
        reader if is_asgi else reader.pieces(), content_type=export.content_type
    )
    # An export that failed since is broken off: nobody would notice that by its length.
    if spool.is_ended and spool.error is None:
        response["Content-Length"] = str(spool.size)
    response["Content-Disposition"] = f'attachment; filename="{export.name}"'
    response["X-Content-Type-Options"] = "nosniff"
    return response


def _spool() -> Spool:
    settings.VAR_DIR.mkdir(parents=True, exist_ok=True)
    return Spool(
        settings.VAR_DIR,
        bytes_max=settings.EXPORT_MB_MAX * BYTES_PER_MB,
        bytes_left_min=settings.EXPORT_MB_LEFT_MIN * BYTES_PER_MB,
        writing_max_s=WRITING_MAX_S,
    )


def _write(export: Export, spool: Spool) -> None:
    """Write an export, and log why one failed; runs in the spool's thread."""
    try:
        with own_snapshot("console export", statement_max_s=_STATEMENT_MAX_S) as connection:
            raw: psycopg.Connection[Any] = connection.connection
            with spool.cancelling(lambda: raw.cancel_safe(timeout=CANCEL_TIMEOUT_S)):
                export.write(connection, spool)
    except (SpoolTooLarge, SpoolTooLong, SpoolCancelled):
        raise
    except SpoolNoRoom:
        logger.warning("The export %s found no room in %s", export.name, settings.VAR_DIR)
        raise
    except (psycopg.errors.QueryCanceled, OperationalError) as error:
        if isinstance(error.__cause__ or error, psycopg.errors.QueryCanceled):
            # By its own time limit, or because its reader left: the spool knows.
            raise SpoolTooLong from error
        logger.warning("The export %s failed: %s", export.name, error)
        raise
    except Exception:
        logger.exception("The export %s failed", export.name)
        raise


def _outcome(spool: Spool, *, is_whole: bool) -> str:
    if is_whole:
        return "sent"
    match spool.error:
        case SpoolTooLarge():
            return "too_large"
        case SpoolNoRoom():
            return "no_room"
        case SpoolTooLong():
            return "too_long"
        case None | SpoolCancelled():
            return "left"
    return "failed"


def _refusal(request: HttpRequest, reason: str, *, status: int) -> HttpResponse:
    """Say why there is no file, and what to do."""
    context = {
        "reason": reason,
        "own_max": settings.EXPORTS_PER_PERSON_MAX,
        "all_max": settings.EXPORTS_MAX,
        "mb_max": settings.EXPORT_MB_MAX,
        "minutes_max": WRITING_MAX_S // 60,
    }
    response = render(request, "console/export_refused.html", context, status=status)
    if status == 429:
        response["Retry-After"] = str(RETRY_AFTER_S)
    return response
