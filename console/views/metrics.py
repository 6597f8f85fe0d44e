"""The console's figures for Prometheus. They are nobody else's business."""

from __future__ import annotations

import ipaddress

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.crypto import constant_time_compare
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client.exposition import choose_encoder

from console.metrics import REGISTRY


@login_not_required
@never_cache
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Answer whoever knows METRICS_TOKEN: 401 without it, 404 where there is none.

    Without a token this machine is answered while DEBUG is on. In production it is not: behind a
    proxy everybody may look like this machine.
    """
    if settings.METRICS_TOKEN:
        scheme, _space, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not constant_time_compare(
            token.strip(), settings.METRICS_TOKEN
        ):
            return HttpResponse(
                "the bearer token is missing or wrong\n",
                status=401,
                content_type="text/plain",
                headers={"WWW-Authenticate": 'Bearer realm="metrics"'},
            )
    elif not (settings.DEBUG and _is_this_machine(request)):
        raise Http404(_("There is no such page."))
    encode, content_type = choose_encoder(request.headers.get("Accept", ""))
    return HttpResponse(encode(REGISTRY), content_type=content_type)


def _is_this_machine(request: HttpRequest) -> bool:
    try:
        return ipaddress.ip_address(request.META.get("REMOTE_ADDR", "")).is_loopback
    except ValueError:
        return False
