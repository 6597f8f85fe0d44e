"""Sites and what stands on their forecourts."""

import datetime
from zoneinfo import ZoneInfo

from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator, RegexValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from ledger.models.fields import (
    MoneyField,
    TaxRateField,
    TotalVolumeField,
    UnitPriceField,
    VolumeField,
)
from ledger.plausible import FIRST_DAY_DEFAULT, FIRST_DAY_MIN, first_day_default
from ledger.site_codes import is_reserved
from ledger.specs import CUTOFF_DEFAULT
from ledger.wet_stock import (
    WET_STOCK_DAILY_LITRES,
    WET_STOCK_DAILY_PERMILLE,
    WET_STOCK_MONTHLY_LITRES,
    WET_STOCK_MONTHLY_PERMILLE,
)

#: What a site's code may look like; it is a level of every MQTT topic (the event contract).
SITE_CODE_PATTERN = r"[A-Za-z0-9-]{1,32}"


def cutoff_of(
    fiscal_day: datetime.date, *, cutoff: datetime.time, zone: ZoneInfo
) -> datetime.datetime:
    """Return by when a fiscal day is to be closed: at the cut-off of the day that follows.

    OverflowError for the last day of the calendar, which no site can have.
    """
    return datetime.datetime.combine(fiscal_day + datetime.timedelta(days=1), cutoff, zone)


class ProductFamily(models.TextChoices):
    """What kind of product it is. The family decides the colour of chips, gauges and charts."""

    PETROL = "petrol", _("Petrol")
    PETROL_PREMIUM = "petrol_premium", _("Premium petrol")
    DIESEL = "diesel", _("Diesel")
    DIESEL_PREMIUM = "diesel_premium", _("Premium diesel")
    RENEWABLE = "renewable", _("Renewable diesel")
    LPG = "lpg", _("LPG")
    ADBLUE = "adblue", _("AdBlue")
    DRY_GOODS = "dry_goods", _("Dry goods")


#: Why a site cannot have a code of `ledger.site_codes`.
RESERVED_CODE_WORDS = _(
    "The console itself is called so at the broker. A site's code is not “console”, and does not "
    "begin with “forecourt-”."
)


class Site(models.Model):
    """A forecourt. Its `code` names it on paper and in every MQTT topic."""

    # Small, because it is part of the key of every ledger row.
    id = models.SmallAutoField(primary_key=True)
    code = models.CharField(
        _("code"),
        max_length=32,
        unique=True,
        validators=[RegexValidator(rf"^{SITE_CODE_PATTERN}\Z")],
    )
    name = models.CharField(_("name"), max_length=120)
    brand = models.CharField(_("brand"), max_length=80, blank=True)
    address = models.CharField(_("address"), max_length=240, blank=True)
    city = models.CharField(_("city"), max_length=80, blank=True)
    postcode = models.CharField(_("postcode"), max_length=16, blank=True)
    country = models.CharField(_("country"), max_length=60, blank=True)
    latitude = models.DecimalField(
        _("latitude"), max_digits=9, decimal_places=6, null=True, blank=True
    )
    longitude = models.DecimalField(
        _("longitude"), max_digits=9, decimal_places=6, null=True, blank=True
    )
    timezone = models.CharField(_("time zone"), max_length=64, default="Europe/London")
    currency = models.CharField(_("currency"), max_length=3, default="GBP")
    source_id = models.CharField(
        _("identifier in the source register"), max_length=64, null=True, unique=True, blank=True
    )
    is_closed = models.BooleanField(_("closed for trade"), default=False)
    stale_after_s = models.PositiveIntegerField(
        _("data counts as stale after (seconds)"), default=300
    )
    cutoff = models.TimeField(
        _("cut-off: a fiscal day is to be closed by then on the following day"),
        default=CUTOFF_DEFAULT,
    )
    #: In the site's currency; None asks for nobody because of the amount alone.
    correction_limit = MoneyField(
        _("a correction beyond this amount takes a second person"), null=True, blank=True
    )
    # How far a tank's closing dip may be from its book stock: so many thousandths of what was
    # sold from it, and so many litres on top.
    wet_stock_daily_permille = models.DecimalField(
        _("wet stock, one day: thousandths of the throughput"),
        max_digits=5,
        decimal_places=1,
        default=WET_STOCK_DAILY_PERMILLE,
        db_default=WET_STOCK_DAILY_PERMILLE,
        validators=[MinValueValidator(0)],
    )
    wet_stock_daily_litres = VolumeField(
        _("wet stock, one day: litres on top"),
        default=WET_STOCK_DAILY_LITRES,
        db_default=WET_STOCK_DAILY_LITRES,
        validators=[MinValueValidator(0)],
    )
    wet_stock_monthly_permille = models.DecimalField(
        _("wet stock, month so far: thousandths of the throughput"),
        max_digits=5,
        decimal_places=1,
        default=WET_STOCK_MONTHLY_PERMILLE,
        db_default=WET_STOCK_MONTHLY_PERMILLE,
        validators=[MinValueValidator(0)],
    )
    wet_stock_monthly_litres = VolumeField(
        _("wet stock, month so far: litres on top"),
        default=WET_STOCK_MONTHLY_LITRES,
        db_default=WET_STOCK_MONTHLY_LITRES,
        validators=[MinValueValidator(0)],
    )
    #: What is dated before it was sent by a broken clock (`ledger.plausible`).
    first_fiscal_day = models.DateField(
        _("first fiscal day"),
        default=first_day_default,
        db_default=FIRST_DAY_DEFAULT,
        validators=[MinValueValidator(FIRST_DAY_MIN)],
    )
    created_at = models.DateTimeField(_("registered at"), auto_now_add=True)

    class Meta:
        db_table = "site"
        ordering = ("code",)
        verbose_name = _("site")
        verbose_name_plural = _("sites")

    def __str__(self) -> str:
        return f"{self.code} {self.name}"

    def clean(self) -> None:
        """Refuse a new site a code that is a name of the console's own."""
        if self._state.adding and is_reserved(self.code):
            raise ValidationError({"code": RESERVED_CODE_WORDS})

    @property
    def zone(self) -> ZoneInfo:
        """The site's time zone."""
        return ZoneInfo(self.timezone)


class Product(models.Model):
    """What a site sells under one product code, and its price now."""

    pk = models.CompositePrimaryKey("site_id", "code")
    site = models.ForeignKey(
        Site, on_delete=models.CASCADE, db_index=False, related_name="products"
    )
    code = models.CharField(_("code"), max_length=32)
    name = models.CharField(_("name"), max_length=80)
    family = models.CharField(_("family"), max_length=16, choices=ProductFamily)
    unit_price = UnitPriceField(_("price a litre"), null=True, blank=True)
    tax_rate = TaxRateField(_("tax rate, per cent"), null=True, blank=True)

    class Meta:
        db_table = "product"
        ordering = ("site_id", "code")

    def __str__(self) -> str:
        return self.code


class FuellingPoint(models.Model):
    """A place where one vehicle can be fuelled at a time."""

    pk = models.CompositePrimaryKey("site_id", "number")
    site = models.ForeignKey(
        Site, on_delete=models.CASCADE, db_index=False, related_name="fuelling_points"
    )
    number = models.SmallIntegerField(_("number"))
    bay = models.SmallIntegerField(_("bay"), default=1)

    class Meta:
        db_table = "fuelling_point"
        ordering = ("site_id", "number")

    def __str__(self) -> str:
        return f"{self.site_id}/{self.number}"


class Nozzle(models.Model):
    """A nozzle of a fuelling point: the product it gives and the tank it draws from."""

    pk = models.CompositePrimaryKey("site_id", "fuelling_point", "number")
    site = models.ForeignKey(Site, on_delete=models.CASCADE, db_index=False, related_name="nozzles")
    fuelling_point = models.SmallIntegerField(_("fuelling point"))
    number = models.SmallIntegerField(_("number"))
    product = models.CharField(_("product"), max_length=32)
    tank = models.SmallIntegerField(_("tank"), null=True, blank=True)

    class Meta:
        db_table = "nozzle"
        ordering = ("site_id", "fuelling_point", "number")

    def __str__(self) -> str:
        return f"{self.site_id}/{self.fuelling_point}/{self.number}"


class Tank(models.Model):
    """An underground tank: capacity and marks in litres."""

    pk = models.CompositePrimaryKey("site_id", "number")
    site = models.ForeignKey(Site, on_delete=models.CASCADE, db_index=False, related_name="tanks")
    number = models.SmallIntegerField(_("number"))
    product = models.CharField(_("product"), max_length=32)
    capacity = TotalVolumeField(_("capacity, litres"))
    low_mark = TotalVolumeField(_("low mark, litres"), null=True, blank=True)
    high_mark = TotalVolumeField(_("high mark, litres"), null=True, blank=True)

    class Meta:
        db_table = "tank"
        ordering = ("site_id", "number")

    def __str__(self) -> str:
        return f"{self.site_id}/{self.number}"
