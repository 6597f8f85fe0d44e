"""What the pieces of the network page show, read once for all of them."""

from __future__ import annotations

from functools import cached_property

from django.db.models import QuerySet

from console.fragments import SiteIds
from ledger.models import Quarantine, Site
from ledger.selectors.attention import Attention, attention
from ledger.selectors.ingest import IngestPulse, ingest_pulse
from ledger.selectors.sites import SiteCounts, site_counts


class NetworkView:
    """One look at the sites that a person may see. Each part is read when it is first asked for.

    Make one for each rendering, and never keep it: it does not change.
    """

    def __init__(self, site_ids: SiteIds) -> None:
        self.site_ids = site_ids

    @property
    def is_whole(self) -> bool:
        """Whether the person sees the whole network, and so what is nobody's site's."""
        return self.site_ids is None

    @property
    def sites(self) -> QuerySet[Site]:
        """The sites."""
        if self.site_ids is None:
            return Site.objects.all()
        return Site.objects.filter(id__in=self.site_ids)

    @property
    def quarantine(self) -> QuerySet[Quarantine]:
        """The messages in quarantine: all of them, or those of the sites."""
        if self.site_ids is None:
            return Quarantine.objects.all()
        return Quarantine.objects.filter(site__in=self.site_ids)

    @cached_property
    def pulse(self) -> IngestPulse:
        """The ingest, which is one for all sites."""
        return ingest_pulse()

    @cached_property
    def attention(self) -> Attention:
        """What is amiss."""
        return attention(
            self.sites,
            pulse=self.pulse,
            names_workers=self.is_whole,
            quarantine=self.quarantine,
        )

    @cached_property
    def counts(self) -> SiteCounts:
        """How many sites are in each state."""
        return site_counts(self.sites)
