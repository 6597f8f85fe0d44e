"""What the shell (`templates/shell.html`) needs on every page."""

from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest
from django.utils import timezone

from console.access import may_see_gallery


def shell(request: HttpRequest) -> dict[str, Any]:
    """Return the context of the shell: when the page was made, and where the person may go."""
    user = getattr(request, "user", AnonymousUser())
    return {"rendered_at": timezone.now(), "may_see_gallery": may_see_gallery(user)}
