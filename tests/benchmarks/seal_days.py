"""Seals every closed day, site by site, as two people would; prints how many and how long.

python -m tests.benchmarks.seal_days
"""

from __future__ import annotations

import json
import time

import django

django.setup()

from console.models import Role, User  # noqa: E402 models want Django set up
from ledger.models import FiscalDay  # noqa: E402
from ledger.services.sealing import day_seal, seal_propose  # noqa: E402


def main() -> None:
    """Propose and seal all days in their order."""
    proposer, sealer = (
        User.objects.get_or_create(username=f"bench-{role}", role=role)[0]
        for role in (Role.STAFF, Role.APPROVER)
    )
    began, count = time.perf_counter(), 0
    days = FiscalDay.objects.filter(sealed_at=None).select_related("site")
    for day in days.order_by("site", "fiscal_day"):
        seal_propose(day=day, proposed_by=proposer)
        day_seal(day=day, sealed_by=sealer)
        count += 1
    print(json.dumps({"days": count, "seconds": time.perf_counter() - began}))


if __name__ == "__main__":
    main()
