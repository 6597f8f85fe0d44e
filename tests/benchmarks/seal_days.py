"""Seals closed days, site by site, as two people would; prints how many and how long.

python -m tests.benchmarks.seal_days [--site CODE] [--last DATE]
"""

from __future__ import annotations

import argparse
import datetime
import json
import time

import django

django.setup()

from console.models import Role, User  # noqa: E402 models want Django set up
from ledger.models import FiscalDay  # noqa: E402
from ledger.services.sealing import day_seal, seal_propose  # noqa: E402
from tests.sealing import explain_all  # noqa: E402


def main() -> None:
    """Explain what differs, propose and seal all days in their order."""
    parser = argparse.ArgumentParser(prog="seal_days")
    parser.add_argument("--site", help="only this site's")
    parser.add_argument("--last", type=datetime.date.fromisoformat, help="up to this fiscal day")
    options = parser.parse_args()
    proposer, sealer = (
        User.objects.get_or_create(username=f"bench-{role}", defaults={"role": role})[0]
        for role in (Role.STAFF, Role.APPROVER)
    )
    days = FiscalDay.objects.filter(sealed_at=None).select_related("site")
    if options.site:
        days = days.filter(site__code=options.site)
    if options.last:
        days = days.filter(fiscal_day__lte=options.last)
    began, count = time.perf_counter(), 0
    for day in days.order_by("site", "fiscal_day"):
        if options.site:
            explain_all(day, proposer)
        seal_propose(day=day, proposed_by=proposer)
        day_seal(day=day, sealed_by=sealer)
        count += 1
    print(json.dumps({"days": count, "seconds": time.perf_counter() - began}))


if __name__ == "__main__":
    main()
