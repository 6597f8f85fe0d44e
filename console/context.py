"""What the shell (`templates/base.html`) needs on every page."""

from typing import Any

from django.http import HttpRequest


def shell(request: HttpRequest) -> dict[str, Any]:
    """Return the context of the shell."""
    return {}
