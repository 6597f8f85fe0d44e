"""The fiscal day: what the site declared, what the ledger holds, and the running totals."""

import datetime
from decimal import Decimal
from typing import ClassVar

from django.conf import settings
from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from ledger.models.entry import Kind, Payment
from ledger.models.fields import (
    TaxRateField,
    TemperatureField,
    TotalMoneyField,
    TotalVolumeField,
)
from ledger.models.site import Site

#: A column of a key cannot be null, so the totals of entries that gave no tax rate stand under a
#: rate that no entry can have (the contract takes 0 to 100). It is not 0, which was stated.
NO_TAX_RATE = Decimal(-1)
#: In the same way the totals of entries that gave no payment.
NO_PAYMENT = 0


class FiscalDay(models.Model):
    """A site's fiscal day, opened and closed by the site, never derived from the clock.

    Invariants: the row exists before the first entry of its day and is locked by every
    transaction that inserts entries or seals the day; `entry_count` and `highest_sequence` are
    maintained in the transaction that inserts. A day is open until `closed_at` is known, then
    closed, then sealed.

    `gap_since` is when the lowest missing number was first known to be missing, None while none is;
    the database keeps it (`ledger/sql/gap_since.sql`), whoever writes the counters.

    `closed_by` is set where staff closed the day because the site did not; `closing_digest` then
    waits for the site's own declaration, which may still come until the day is sealed.

    One person proposes the seal and another sets it. The sealed days of a site are numbered from 1
    without a gap (`z_number`), each holds the seal of the one before (`previous_seal`, None in the
    first), and `perpetual_total` is the turnover of all of them up to this one. The database
    refuses any change of a sealed day and of what was counted, declared or read in it; the one
    writer of seals is `ledger.services.sealing`.
    """

    class Status(models.TextChoices):
        OPEN = "open", _("Open")
        CLOSED = "closed", _("Closed")
        SEALED = "sealed", _("Sealed")

    pk = models.CompositePrimaryKey("site_id", "fiscal_day")
    site = models.ForeignKey(
        Site, on_delete=models.PROTECT, db_index=False, related_name="fiscal_days"
    )
    fiscal_day = models.DateField(_("fiscal day"))
    opened_at = models.DateTimeField(_("opened at"), null=True)
    closed_at = models.DateTimeField(_("closed at"), null=True)
    last_sequence = models.IntegerField(_("last sequence, as declared"), null=True)
    entry_count = models.IntegerField(_("entries held"), db_default=0)
    highest_sequence = models.IntegerField(_("highest sequence held"), db_default=0)
    # Never later than its receipt, however far ahead the controller's clock is.
    last_entry_at = models.DateTimeField(_("newest entry occurred at"), null=True)
    last_received_at = models.DateTimeField(_("newest entry received at"), null=True)
    gap_since = models.DateTimeField(_("known to be incomplete since"), null=True)
    # SHA-256 of the canonical declaration: tells a repeat from a contradiction.
    opening_digest = models.BinaryField(max_length=32, null=True)
    closing_digest = models.BinaryField(max_length=32, null=True)
    closed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        db_index=False,
        related_name="+",
        null=True,
        verbose_name=_("closed by hand by"),
    )
    close_reason = models.CharField(
        _("why it was closed by hand"), max_length=500, blank=True, db_default=""
    )
    seal_proposed_at = models.DateTimeField(_("seal proposed at"), null=True)
    seal_proposed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        db_index=False,
        related_name="+",
        null=True,
        verbose_name=_("seal proposed by"),
    )
    sealed_at = models.DateTimeField(_("sealed at"), null=True)
    sealed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        db_index=False,
        related_name="+",
        null=True,
        verbose_name=_("sealed by"),
    )
    z_number = models.IntegerField(_("Z number"), null=True)
    perpetual_total = TotalMoneyField(_("perpetual total"), null=True)
    previous_seal = models.BinaryField(max_length=32, null=True)
    seal = models.BinaryField(max_length=32, null=True)

    class Meta:
        db_table = "fiscal_day"
        constraints: ClassVar = [
            models.CheckConstraint(
                name="fiscal_day_four_eyes", condition=~Q(sealed_by=F("seal_proposed_by"))
            ),
            models.CheckConstraint(
                name="fiscal_day_seal_whole",
                condition=Q(seal=None, z_number=None, perpetual_total=None, sealed_by=None)
                | Q(
                    seal__isnull=False,
                    z_number__gte=1,
                    perpetual_total__isnull=False,
                    sealed_by__isnull=False,
                    seal_proposed_by__isnull=False,
                    seal_proposed_at__isnull=False,
                    sealed_at__isnull=False,
                    closed_at__isnull=False,
                ),
            ),
            models.CheckConstraint(
                name="fiscal_day_first_seal",
                condition=Q(previous_seal=None, z_number=None)
                | Q(previous_seal=None, z_number=1)
                | Q(previous_seal__isnull=False, z_number__gt=1),
            ),
            # Two days cannot have one number, nor follow the same day.
            models.UniqueConstraint(
                fields=["site", "z_number"],
                condition=Q(z_number__isnull=False),
                name="fiscal_day_z_number",
            ),
        ]
        # The key finds a site's days, not all sites' last weeks. A few pages, which updates of
        # other columns do not touch.
        indexes: ClassVar = [
            BrinIndex(
                fields=["fiscal_day"],
                name="fiscal_day_recent",
                pages_per_range=16,
                autosummarize=True,
            ),
            # Proposals wait for a second person: nearly always a handful.
            models.Index(
                fields=["seal_proposed_at"],
                condition=Q(seal_proposed_at__isnull=False, sealed_at=None),
                name="fiscal_day_seal_proposed",
            ),
        ]
        verbose_name = _("fiscal day")
        verbose_name_plural = _("fiscal days")

    def __str__(self) -> str:
        return f"{self.site_id}/{self.fiscal_day}"

    @property
    def status(self) -> "FiscalDay.Status":
        """Open, closed or sealed."""
        if self.sealed_at is not None:
            return self.Status.SEALED
        return self.Status.OPEN if self.closed_at is None else self.Status.CLOSED

    @property
    def is_closed_by_hand(self) -> bool:
        """Whether staff closed it and the site has not declared anything since."""
        return self.closed_by_id is not None and self.closing_digest is None

    @property
    def seal_hex(self) -> str:
        """The seal as 64 hexadecimal digits, empty while there is none."""
        return "" if self.seal is None else bytes(self.seal).hex()

    @property
    def previous_seal_hex(self) -> str:
        """The seal of the day sealed before as 64 hexadecimal digits, empty for the first."""
        return "" if self.previous_seal is None else bytes(self.previous_seal).hex()

    @property
    def expected_count(self) -> int:
        """How many entries there should be: what the site declared, else the highest seen."""
        return max(self.last_sequence or 0, self.highest_sequence)

    @property
    def missing_count(self) -> int:
        """How many sequence numbers up to the last one have no entry."""
        return self.expected_count - self.entry_count

    @property
    def open_for(self) -> datetime.timedelta | None:
        """From opening to closing, None while either is unknown."""
        if self.opened_at is None or self.closed_at is None:
            return None
        return self.closed_at - self.opened_at


class DayTotal(models.Model):
    """What the entries of one day, product, kind and tax rate add up to.

    Invariant: maintained by the statement that inserts the entries, so the sum over `entry` and
    this row are equal at every commit. `tax` is the sum of each entry's tax, which is
    amount x rate / (100 + rate) rounded half away from zero to 2 places; 0 without a rate. Net is
    amount less tax, so that the three add up to the cent. A product nearly always has one rate;
    `tax_rate` is NO_TAX_RATE for entries that gave none.
    """

    pk = models.CompositePrimaryKey("site_id", "fiscal_day", "product", "kind", "tax_rate")
    site = models.ForeignKey(
        Site, on_delete=models.PROTECT, db_index=False, db_constraint=False, related_name="+"
    )
    fiscal_day = models.DateField(_("fiscal day"))
    product = models.CharField(_("product"), max_length=32)
    kind = models.SmallIntegerField(_("kind"), choices=Kind)
    tax_rate = TaxRateField(_("tax rate, per cent"))
    count = models.IntegerField(_("entries"))
    volume = TotalVolumeField(_("volume, litres"))
    amount = TotalMoneyField(_("amount"))
    tax = TotalMoneyField(_("tax"))

    class Meta:
        db_table = "day_total"
        # As that of fiscal_day: today's totals of all sites, whatever else there is.
        indexes: ClassVar = [
            BrinIndex(
                fields=["fiscal_day"],
                name="day_total_recent",
                pages_per_range=16,
                autosummarize=True,
            )
        ]

    def __str__(self) -> str:
        return f"{self.site_id}/{self.fiscal_day}/{self.product}/{self.kind}/{self.tax_rate}"


class PaymentTotal(models.Model):
    """What the entries of one day, payment and kind add up to.

    Invariant: maintained by the statement that inserts the entries, like `DayTotal`. `payment` is
    NO_PAYMENT for entries that gave none.
    """

    pk = models.CompositePrimaryKey("site_id", "fiscal_day", "payment", "kind")
    site = models.ForeignKey(
        Site, on_delete=models.PROTECT, db_index=False, db_constraint=False, related_name="+"
    )
    fiscal_day = models.DateField(_("fiscal day"))
    payment = models.SmallIntegerField(
        _("payment"), choices=[(NO_PAYMENT, _("Not stated")), *Payment.choices]
    )
    kind = models.SmallIntegerField(_("kind"), choices=Kind)
    count = models.IntegerField(_("entries"))
    volume = TotalVolumeField(_("volume, litres"))
    amount = TotalMoneyField(_("amount"))

    class Meta:
        db_table = "payment_total"
        # As that of day_total: a report of some weeks reads those and not all years.
        indexes: ClassVar = [
            BrinIndex(
                fields=["fiscal_day"],
                name="payment_total_recent",
                pages_per_range=16,
                autosummarize=True,
            )
        ]

    def __str__(self) -> str:
        return f"{self.site_id}/{self.fiscal_day}/{self.payment}/{self.kind}"


class HourTotal(models.Model):
    """Turnover of one fiscal day by hour of the site's own clock (0 to 23).

    Invariant: maintained by the statement that inserts the entries, like `DayTotal`.
    """

    pk = models.CompositePrimaryKey("site_id", "fiscal_day", "hour")
    site = models.ForeignKey(
        Site, on_delete=models.PROTECT, db_index=False, db_constraint=False, related_name="+"
    )
    fiscal_day = models.DateField(_("fiscal day"))
    hour = models.SmallIntegerField(_("hour"))
    count = models.IntegerField(_("entries"))
    volume = TotalVolumeField(_("volume, litres"))
    amount = TotalMoneyField(_("amount"))

    class Meta:
        db_table = "hour_total"
        # As that of day_total: a report of some weeks reads those and not all years.
        indexes: ClassVar = [
            BrinIndex(
                fields=["fiscal_day"],
                name="hour_total_recent",
                pages_per_range=16,
                autosummarize=True,
            )
        ]

    def __str__(self) -> str:
        return f"{self.site_id}/{self.fiscal_day}/{self.hour}"


class DeclaredTotal(models.Model):
    """What the site itself declared for one product as it closed the day (turnover only)."""

    pk = models.CompositePrimaryKey("site_id", "fiscal_day", "product")
    site = models.ForeignKey(Site, on_delete=models.PROTECT, db_index=False, related_name="+")
    fiscal_day = models.DateField(_("fiscal day"))
    product = models.CharField(_("product"), max_length=32)
    count = models.IntegerField(_("entries"))
    volume = TotalVolumeField(_("volume, litres"))
    amount = TotalMoneyField(_("amount"))

    class Meta:
        db_table = "declared_total"

    def __str__(self) -> str:
        return f"{self.site_id}/{self.fiscal_day}/{self.product}"


class Totalizer(models.Model):
    """A nozzle's non-resettable meter, in litres, as the day opened and closed."""

    pk = models.CompositePrimaryKey("site_id", "fiscal_day", "fuelling_point", "nozzle")
    site = models.ForeignKey(Site, on_delete=models.PROTECT, db_index=False, related_name="+")
    fiscal_day = models.DateField(_("fiscal day"))
    fuelling_point = models.SmallIntegerField(_("fuelling point"))
    nozzle = models.SmallIntegerField(_("nozzle"))
    product = models.CharField(_("product"), max_length=32)
    opening = TotalVolumeField(_("opening, litres"), null=True)
    closing = TotalVolumeField(_("closing, litres"), null=True)

    class Meta:
        db_table = "totalizer"

    def __str__(self) -> str:
        return f"{self.site_id}/{self.fiscal_day}/{self.fuelling_point}/{self.nozzle}"


class Dip(models.Model):
    """What a tank held, in litres, as the day opened and closed."""

    pk = models.CompositePrimaryKey("site_id", "fiscal_day", "tank")
    site = models.ForeignKey(Site, on_delete=models.PROTECT, db_index=False, related_name="+")
    fiscal_day = models.DateField(_("fiscal day"))
    tank = models.SmallIntegerField(_("tank"))
    product = models.CharField(_("product"), max_length=32)
    opening_volume = TotalVolumeField(_("opening volume, litres"), null=True)
    opening_water = TotalVolumeField(_("opening water, litres"), null=True)
    opening_temperature = TemperatureField(_("opening temperature, Celsius"), null=True)
    closing_volume = TotalVolumeField(_("closing volume, litres"), null=True)
    closing_water = TotalVolumeField(_("closing water, litres"), null=True)
    closing_temperature = TemperatureField(_("closing temperature, Celsius"), null=True)

    class Meta:
        db_table = "dip"

    def __str__(self) -> str:
        return f"{self.site_id}/{self.fiscal_day}/{self.tank}"
