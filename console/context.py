"""What the shell (`templates/shell.html`) needs on every page."""

from typing import Any

from django.http import HttpRequest
from django.utils import timezone


def shell(request: HttpRequest) -> dict[str, Any]:
    """Return the context of the shell: when the page was made, and what the switcher shows."""
    return {"rendered_at": timezone.now()}
