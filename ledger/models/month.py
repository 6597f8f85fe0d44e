"""Day totals summed up by calendar month: a shorter way to what reports of long periods say.

Invariant: never the truth but a copy of it. What a month's rows add up to is what the day totals
did when the ledger held `MonthSum.entries` entries of it; the one writer
(`ledger.services.month_totals`) sums a month up anew once it holds another number.
"""

from django.db import models
from django.utils.translation import gettext_lazy as _

from ledger.models.day import NO_PAYMENT
from ledger.models.entry import Kind, Payment
from ledger.models.fields import TaxRateField, TotalMoneyField, TotalVolumeField
from ledger.models.site import Site


class _OfMonth(models.Model):
    """What all of them have; `month` is its first day."""

    site = models.ForeignKey(
        Site, on_delete=models.PROTECT, db_index=False, db_constraint=False, related_name="+"
    )
    month = models.DateField(_("month"))

    class Meta:
        abstract = True


class MonthSum(_OfMonth):
    """How many entries of a site's month the three totals below are made of."""

    pk = models.CompositePrimaryKey("site_id", "month")
    entries = models.BigIntegerField(_("entries"))

    class Meta:
        db_table = "month_sum"

    def __str__(self) -> str:
        return f"{self.site_id}/{self.month}"


class MonthTotal(_OfMonth):
    """`DayTotal` of a month."""

    pk = models.CompositePrimaryKey("site_id", "month", "product", "kind", "tax_rate")
    product = models.CharField(_("product"), max_length=32)
    kind = models.SmallIntegerField(_("kind"), choices=Kind)
    tax_rate = TaxRateField(_("tax rate, per cent"))
    count = models.BigIntegerField(_("entries"))
    volume = TotalVolumeField(_("volume, litres"))
    amount = TotalMoneyField(_("amount"))
    tax = TotalMoneyField(_("tax"))

    class Meta:
        db_table = "month_total"

    def __str__(self) -> str:
        return f"{self.site_id}/{self.month}/{self.product}/{self.kind}/{self.tax_rate}"


class MonthPaymentTotal(_OfMonth):
    """`PaymentTotal` of a month."""

    pk = models.CompositePrimaryKey("site_id", "month", "payment", "kind")
    payment = models.SmallIntegerField(
        _("payment"), choices=[(NO_PAYMENT, _("Not stated")), *Payment.choices]
    )
    kind = models.SmallIntegerField(_("kind"), choices=Kind)
    count = models.BigIntegerField(_("entries"))
    volume = TotalVolumeField(_("volume, litres"))
    amount = TotalMoneyField(_("amount"))

    class Meta:
        db_table = "month_payment_total"

    def __str__(self) -> str:
        return f"{self.site_id}/{self.month}/{self.payment}/{self.kind}"


class MonthHourTotal(_OfMonth):
    """`HourTotal` of a month."""

    pk = models.CompositePrimaryKey("site_id", "month", "hour")
    hour = models.SmallIntegerField(_("hour"))
    count = models.BigIntegerField(_("entries"))
    volume = TotalVolumeField(_("volume, litres"))
    amount = TotalMoneyField(_("amount"))

    class Meta:
        db_table = "month_hour_total"

    def __str__(self) -> str:
        return f"{self.site_id}/{self.month}/{self.hour}"
