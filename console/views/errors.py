"""Pages of what went wrong."""

from __future__ import annotations

from django.db import close_old_connections
from django.http import HttpRequest, HttpResponse
from django.views import defaults

from console.unavailable import DATABASE_ERRORS, Failure, failure_answer

# Under ASGI Django renders these in a thread that belongs to no request, where nobody would close
# the connection that their templates open to know who asks: one for each such thread would be
# missing from the pool for good.


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Say that the person may not do that."""
    try:
        return defaults.permission_denied(request, exception)
    except DATABASE_ERRORS as error:
        return failure_answer(request, Failure.AWAY, error)
    finally:
        close_old_connections()


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Say that there is nothing at the address."""
    try:
        return defaults.page_not_found(request, exception)
    except DATABASE_ERRORS as error:
        return failure_answer(request, Failure.AWAY, error)
    finally:
        close_old_connections()
