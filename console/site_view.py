"""What the pieces of a site's page show, read once for all of them."""

from __future__ import annotations

from functools import cached_property

from ledger.models import FiscalDay, Site
from ledger.selectors.days import latest_days, product_families
from ledger.selectors.pace import UsualHours, usual_hours
from ledger.selectors.sites import SiteState, site_state

#: The newest entries that the page shows come from this many fiscal days at most: the current one
#: and the one before.
LATEST_DAYS = 2


class SiteView:
    """One look at a site. Each part is read when it is first asked for.

    Make one for each rendering, and never keep it: it does not change.
    """

    def __init__(self, site: Site) -> None:
        self.site = site

    @cached_property
    def state(self) -> SiteState:
        """Whether the console hears from the site."""
        return site_state(self.site)

    @cached_property
    def latest_days(self) -> list[FiscalDay]:
        """The newest fiscal days, the current one first; empty before the site's first."""
        return latest_days(self.site, limit=LATEST_DAYS)

    @property
    def day(self) -> FiscalDay | None:
        """The current fiscal day."""
        return self.latest_days[0] if self.latest_days else None

    @cached_property
    def families(self) -> dict[str, str]:
        """The family of each product by code, which decides its colour."""
        return product_families(self.site)

    @cached_property
    def usual(self) -> UsualHours:
        """What the site usually sells by the hour."""
        return usual_hours(self.site, before=self.day.fiscal_day) if self.day else UsualHours()
