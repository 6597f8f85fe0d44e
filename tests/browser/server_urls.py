"""Addresses of the server that a browser visits: the console's, and one that fails."""

from __future__ import annotations

from typing import NoReturn

from django.http import HttpRequest
from django.urls import path

from console.urls import handler403, handler404, urlpatterns

__all__ = ["handler403", "handler404", "urlpatterns"]


def broken(request: HttpRequest) -> NoReturn:
    """Fail, as a defect would."""
    raise RuntimeError("this page fails in every test")


urlpatterns = [*urlpatterns, path("broken/", broken)]
