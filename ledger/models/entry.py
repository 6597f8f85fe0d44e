"""The ledger entry: one line of a site's fiscal day, never changed once written."""

import enum

from django.db import models
from django.utils.translation import gettext_lazy as _

from ledger.models.fields import (
    MoneyField,
    TaxRateField,
    TotalVolumeField,
    UnitPriceField,
    VolumeField,
)
from ledger.models.site import Site


class Kind(models.IntegerChoices):
    """What happened. Only sales and refunds are turnover."""

    SALE = 1, _("Sale")
    REFUND = 2, _("Refund")
    TEST = 3, _("Pump test")
    DRIVE_OFF = 4, _("Drive-off")


#: The kinds that count as turnover; a test returns to the tank, a drive-off was never paid.
TURNOVER_KINDS = (Kind.SALE, Kind.REFUND)


class Payment(models.IntegerChoices):
    """How it was paid."""

    CASH = 1, _("Cash")
    CARD = 2, _("Card")
    FUEL_CARD = 3, _("Fuel card")
    ACCOUNT = 4, _("Account")
    APP = 5, _("App")
    OTHER = 6, _("Other")


class EntryFlag(enum.IntFlag):
    """What looks wrong about an entry that is well formed. It happened, so it is kept and shown."""

    AMOUNT_MISMATCH = 1  # volume x unit price is not the amount, with its sign
    UNKNOWN_PRODUCT = 2  # not among the site's products
    UNKNOWN_FUELLING_POINT = 4  # not among the site's fuelling points
    FAR_FROM_FISCAL_DAY = 8  # occurred more than two days from its fiscal day
    IN_THE_FUTURE = 16  # occurred after it was received
    TOTALIZER_JUMP = 32  # the nozzle's meter moved by something else than the volume sold
    MANUAL = 64  # entered by hand in place of a missing one; its first correction says by whom
    AMOUNT_SIGN = 128  # a refund above zero, or anything else below
    BELOW_ZERO = 256  # litres, price or totalizer
    NO_LITRES = 512  # an amount at a price a litre, but no litres

    @property
    def label(self) -> str:
        """One flag in plain words."""
        return str(_FLAG_LABELS[self])


_FLAG_LABELS = {
    EntryFlag.AMOUNT_MISMATCH: _("Litres times price is not the amount"),
    EntryFlag.UNKNOWN_PRODUCT: _("Product is not registered at this site"),
    EntryFlag.UNKNOWN_FUELLING_POINT: _("Fuelling point is not registered at this site"),
    EntryFlag.FAR_FROM_FISCAL_DAY: _("Time is far from the fiscal day"),
    EntryFlag.IN_THE_FUTURE: _("Time lies in the future"),
    EntryFlag.TOTALIZER_JUMP: _("Totalizer does not follow from the sale before"),
    EntryFlag.MANUAL: _("Entered by hand"),
    EntryFlag.AMOUNT_SIGN: _("Amount has a sign that its kind does not have"),
    EntryFlag.BELOW_ZERO: _("Litres, price or totalizer below zero"),
    EntryFlag.NO_LITRES: _("Amount at a price a litre, but no litres"),
}


class EntryValues(models.Model):
    """What an entry says happened: the columns that a correction restates.

    Amounts are gross, in the site's currency; a refund is negative. Volumes are litres at pump
    conditions, `volume_15c` litres at 15 degrees (None when unknown).
    """

    kind = models.SmallIntegerField(_("kind"), choices=Kind)
    occurred_at = models.DateTimeField(_("occurred at"))
    product = models.CharField(_("product"), max_length=32)
    amount = MoneyField(_("amount"))
    volume = VolumeField(_("volume, litres"), null=True)
    volume_15c = VolumeField(_("volume at 15 degrees, litres"), null=True)
    unit_price = UnitPriceField(_("price a litre"), null=True)
    tax_rate = TaxRateField(_("tax rate, per cent"), null=True)
    fuelling_point = models.SmallIntegerField(_("fuelling point"), null=True)
    nozzle = models.SmallIntegerField(_("nozzle"), null=True)
    tank = models.SmallIntegerField(_("tank"), null=True)
    payment = models.SmallIntegerField(_("payment"), choices=Payment, null=True)
    device_transaction = models.IntegerField(_("pump's own transaction number"), null=True)
    totalizer = TotalVolumeField(_("totalizer, litres"), null=True)
    offline = models.BooleanField(_("sold while the pump ran stand-alone"), default=False)

    class Meta:
        abstract = True


class Entry(EntryValues):
    """One numbered line of a site's fiscal day.

    Invariants: (site, fiscal_day, sequence) names an entry for ever; a row is never updated,
    deleted or truncated (the database refuses). The writers are the ingest worker
    (`ingest.store`) and, for what a site can no longer send, `ledger.services`. The table is
    partitioned by month of the fiscal day and made by `ledger/sql/entry.sql`, which also says why
    its columns stand in another order there.
    """

    pk = models.CompositePrimaryKey("site_id", "fiscal_day", "sequence")
    # No constraint here: each insert locks the entry's fiscal_day row, which has the foreign key.
    site = models.ForeignKey(
        Site,
        on_delete=models.PROTECT,
        db_index=False,
        db_constraint=False,
        related_name="entries",
    )
    fiscal_day = models.DateField(_("fiscal day"))
    sequence = models.IntegerField(_("sequence"))
    received_at = models.DateTimeField(_("received at"))
    flags = models.SmallIntegerField(_("flags"), default=0)

    class Meta:
        db_table = "entry"
        verbose_name = _("entry")
        verbose_name_plural = _("entries")

    def __str__(self) -> str:
        return f"{self.site_id}/{self.fiscal_day}/{self.sequence}"

    @property
    def flag_list(self) -> list[EntryFlag]:
        """The flags that are set, in the order of their numbers."""
        return [flag for flag in EntryFlag if flag & self.flags]
