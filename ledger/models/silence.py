"""What was last concluded about fuelling points that have sold nothing for a while."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from ledger.models.site import Site


class PointSilence(models.Model):
    """Whether a fuelling point looked dead when it was last looked at closely.

    Kept because it takes a week of the site's entries to say so, and the network page asks it of
    thousands of sites at once. It speaks of the silence after one sale, (fiscal_day, sequence), and
    says nothing any more once the point has sold again.

    Invariants: one row a point; `usual_every_s` is None unless the point looked dead; the one
    writer is the worker (`ledger/sql/judge_silences.sql`).
    """

    pk = models.CompositePrimaryKey("site_id", "fuelling_point")
    site = models.ForeignKey(Site, on_delete=models.CASCADE, db_index=False, related_name="+")
    fuelling_point = models.SmallIntegerField(_("fuelling point"))
    fiscal_day = models.DateField(_("fiscal day of the last sale"))
    sequence = models.IntegerField(_("sequence of the last sale"))
    last_sale_at = models.DateTimeField(_("last sale at"))
    judged_at = models.DateTimeField(_("looked at closely at"))
    look_again_after = models.BigIntegerField(_("to be looked at again after so many entries"))
    sales_elsewhere = models.IntegerField(_("sales of the other points since then"))
    usual_every_s = models.IntegerField(_("usually sells once in so many seconds"), null=True)

    class Meta:
        db_table = "point_silence"

    def __str__(self) -> str:
        return f"{self.site_id}/{self.fuelling_point}"
