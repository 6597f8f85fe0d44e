"""Forms for what a site is and what stands on its forecourt."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from functools import cache
from typing import Any
from zoneinfo import available_timezones

from django import forms
from django.core.validators import MinValueValidator, RegexValidator
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from console import formatting
from console.forms.base import ConsoleForm, FieldGroup
from console.forms.fields import Facts, FigureField, PlainCharField, Text
from console.forms.rows import RowsFormSet, rows_factory
from ledger.models import ProductFamily, Site
from ledger.models.site import RESERVED_CODE_WORDS, SITE_CODE_PATTERN
from ledger.plausible import DAYS_AHEAD_MAX, FIRST_DAY_MIN, first_day_default
from ledger.selectors.setup import Uses, product_uses, sealed_between, tank_uses
from ledger.site_codes import is_reserved
from ledger.specs import CUTOFF_DEFAULT
from ledger.wet_stock import (
    WET_STOCK_DAILY_LITRES,
    WET_STOCK_DAILY_PERMILLE,
    WET_STOCK_MONTHLY_LITRES,
    WET_STOCK_MONTHLY_PERMILLE,
)

NUMBER_MAX = 32_767
STALE_AFTER_MIN_S = 10
STALE_AFTER_MAX_S = 7 * 24 * 3600
PRODUCTS_MAX = 60
TANKS_MAX = 30
POINTS_MAX = 60
NOZZLES_MAX = 360
WET_STOCK_DEFAULTS = {
    "wet_stock_daily_permille": WET_STOCK_DAILY_PERMILLE,
    "wet_stock_daily_litres": WET_STOCK_DAILY_LITRES,
    "wet_stock_monthly_permille": WET_STOCK_MONTHLY_PERMILLE,
    "wet_stock_monthly_litres": WET_STOCK_MONTHLY_LITRES,
}


@cache
def _timezones() -> list[tuple[str, str]]:
    places = sorted(name for name in available_timezones() if "/" in name)
    return [(name, name.replace("_", " ")) for name in places if not name.startswith("Etc/")]


def _permille(label: Text, period: str) -> FigureField:
    return FigureField(
        label=label,
        min_value=0,
        max_digits=5,
        decimal_places=1,
        initial=WET_STOCK_DEFAULTS[f"wet_stock_{period}_permille"],
    )


def _litres(label: Text, period: str) -> FigureField:
    return FigureField(
        label=label,
        min_value=0,
        max_digits=12,
        decimal_places=3,
        initial=WET_STOCK_DEFAULTS[f"wet_stock_{period}_litres"],
    )


class SiteForm(ConsoleForm):
    """A site: its place, its clock and money, and from when on something is amiss."""

    groups = (
        FieldGroup(
            title=gettext_lazy("Site"),
            fields=("code", "name", "brand", "is_closed", "first_fiscal_day"),
        ),
        FieldGroup(
            title=gettext_lazy("Address"), fields=("address", "postcode", "city", "country")
        ),
        FieldGroup(title=gettext_lazy("Clock and money"), fields=("timezone", "currency")),
        FieldGroup(
            title=gettext_lazy("Thresholds"),
            help=gettext_lazy("Beyond these the console asks for somebody's attention."),
            fields=("stale_after_s", "cutoff", "correction_limit"),
        ),
        FieldGroup(
            title=gettext_lazy("Wet stock"),
            help=gettext_lazy(
                "How far a tank's closing dip may be from its book stock: a share of what was "
                "sold from it, and litres on top."
            ),
            fields=tuple(WET_STOCK_DEFAULTS),
        ),
    )
    facts = {  # noqa: RUF012 a form's own
        "code": Facts(autocomplete="off", is_checked_alone=True),
        "name": Facts(autocomplete="off"),
        "currency": Facts(autocomplete="off"),
        "stale_after_s": Facts(unit=gettext_lazy("seconds")),
        "wet_stock_daily_permille": Facts(unit="‰"),
        "wet_stock_daily_litres": Facts(unit="L"),
        "wet_stock_monthly_permille": Facts(unit="‰"),
        "wet_stock_monthly_litres": Facts(unit="L"),
    }

    code = PlainCharField(
        label=gettext_lazy("Code"),
        max_length=32,
        help_text=gettext_lazy(
            "Letters, digits and hyphens. It names the site in every message and never changes."
        ),
    )
    name = PlainCharField(label=gettext_lazy("Name"), max_length=120)
    brand = PlainCharField(label=gettext_lazy("Brand"), max_length=80, required=False)
    is_closed = forms.BooleanField(
        label=gettext_lazy("Closed for trade"),
        required=False,
        help_text=gettext_lazy("Nothing is expected of it; what comes is stored all the same."),
    )
    first_fiscal_day = forms.DateField(
        label=gettext_lazy("First fiscal day"),
        initial=first_day_default,
        validators=[
            MinValueValidator(
                FIRST_DAY_MIN, gettext_lazy("No site's fiscal days begin that long ago.")
            )
        ],
        help_text=gettext_lazy(
            "What comes with an earlier one was sent by a broken clock and waits in quarantine."
        ),
    )
    address = PlainCharField(label=gettext_lazy("Street"), max_length=240, required=False)
    postcode = PlainCharField(label=gettext_lazy("Postcode"), max_length=16, required=False)
    city = PlainCharField(label=gettext_lazy("Town"), max_length=80, required=False)
    country = PlainCharField(label=gettext_lazy("Country"), max_length=60, required=False)
    timezone = forms.ChoiceField(label=gettext_lazy("Time zone"), choices=_timezones)
    currency = PlainCharField(
        label=gettext_lazy("Currency"),
        min_length=3,
        max_length=3,
        validators=[
            RegexValidator(r"^[A-Z]{3}\Z", gettext_lazy("Three capital letters, such as EUR."))
        ],
        help_text=gettext_lazy("Three capital letters, such as EUR."),
    )
    stale_after_s = forms.IntegerField(
        label=gettext_lazy("Data counts as too old after"),
        min_value=STALE_AFTER_MIN_S,
        max_value=STALE_AFTER_MAX_S,
        initial=300,
    )
    cutoff = forms.TimeField(
        label=gettext_lazy("Cut-off"),
        initial=CUTOFF_DEFAULT,
        help_text=gettext_lazy(
            "By then, on the following day and by the site's clock, a fiscal day is to be closed."
        ),
    )
    correction_limit = FigureField(
        label=gettext_lazy("Corrections need a second person beyond"),
        required=False,
        min_value=0,
        max_digits=12,
        decimal_places=2,
        places_min=2,
        help_text=gettext_lazy(
            "Compared with what a correction moves: all of the entry where it is voided, added or "
            "counted elsewhere (another product, kind, tax rate, payment, nozzle or tank), else "
            "what its amount changes by, or the worth of the litres that change. Empty: in an open "
            "day the amount asks for nobody."
        ),
    )
    wet_stock_daily_permille = _permille(gettext_lazy("One day, share of what was sold"), "daily")
    wet_stock_daily_litres = _litres(gettext_lazy("One day, on top"), "daily")
    wet_stock_monthly_permille = _permille(
        gettext_lazy("Month so far, share of what was sold"), "monthly"
    )
    wet_stock_monthly_litres = _litres(gettext_lazy("Month so far, on top"), "monthly")

    def __init__(
        self, *args: Any, site: Site | None = None, has_ledger: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.site = site
        if site is not None:
            del self.fields["code"]
            self.facts = {**self.facts, "correction_limit": Facts(currency=site.currency)}
        if has_ledger:
            for name, why in (
                ("currency", _("The ledger holds amounts in it already.")),
                ("timezone", _("The ledger counts hours by it already.")),
            ):
                self.fields[name].disabled = True
                self.fields[name].help_text = why

    def clean_code(self) -> str:
        """Refuse what is no code, and one that is taken or reserved (whatever its capitals)."""
        code: str = self.cleaned_data["code"]
        RegexValidator(
            rf"^{SITE_CODE_PATTERN}\Z", _("Only letters, digits and hyphens, 32 at most.")
        )(code)
        if is_reserved(code):
            raise forms.ValidationError(RESERVED_CODE_WORDS)
        if taken := Site.objects.filter(code__iexact=code).first():
            raise forms.ValidationError(
                _("%(name)s has this code already."), params={"name": taken.name}
            )
        return code

    def clean_first_fiscal_day(self) -> datetime.date:
        """Refuse a day to come, and one that would leave out a sealed day."""
        day: datetime.date = self.cleaned_data["first_fiscal_day"]
        if day > (last := timezone.localdate() + datetime.timedelta(days=DAYS_AHEAD_MAX)):
            raise forms.ValidationError(
                _("This is later than %(day)s."), params={"day": formatting.stated(last)}
            )
        if self.site is not None and (
            sealed := sealed_between(self.site, self.site.first_fiscal_day, day)
        ):
            raise forms.ValidationError(
                _("The fiscal day %(day)s is sealed."), params={"day": formatting.stated(sealed)}
            )
        return day


class _ProductChoice(ConsoleForm):
    """A row that names one of the site's products."""

    def __init__(self, *args: Any, products: list[str], tanks: list[int], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        codes = sorted({*products, *filter(None, [self.initial.get("product")])})
        self.fields["product"] = forms.ChoiceField(
            label=_("Product"), choices=[("", _("Choose")), *((code, code) for code in codes)]
        )
        if "tank" in self.fields:
            numbers = sorted({*tanks, *filter(None, [self.initial.get("tank")])})
            self.fields["tank"] = forms.TypedChoiceField(
                label=_("Tank"),
                required=False,
                coerce=int,
                empty_value=None,
                choices=[("", _("None")), *((number, str(number)) for number in numbers)],
            )


class ProductForm(ConsoleForm):
    """A product and its price."""

    code = PlainCharField(label=gettext_lazy("Code"), max_length=32)
    name = PlainCharField(label=gettext_lazy("Name"), max_length=80)
    family = forms.ChoiceField(
        label=gettext_lazy("Family"),
        choices=[("", gettext_lazy("Choose")), *ProductFamily.choices],
    )
    unit_price = FigureField(
        label=gettext_lazy("Price"),
        required=False,
        min_value=0,
        max_digits=9,
        decimal_places=4,
        places_min=3,
    )
    tax_rate = FigureField(
        label=gettext_lazy("Tax rate"),
        required=False,
        min_value=0,
        max_value=100,
        max_digits=5,
        decimal_places=2,
    )

    def __init__(self, *args: Any, currency: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.facts = {
            "unit_price": Facts(currency=currency, unit=_("a litre")),
            "tax_rate": Facts(unit="%"),
        }


class TankForm(_ProductChoice):
    """A tank: what it holds and its marks."""

    facts = {  # noqa: RUF012 a form's own
        name: Facts(unit="L") for name in ("capacity", "low_mark", "high_mark")
    }

    number = forms.IntegerField(label=gettext_lazy("Number"), min_value=1, max_value=NUMBER_MAX)
    product = forms.ChoiceField()
    capacity = FigureField(
        label=gettext_lazy("Capacity"), min_value=1, max_digits=9, decimal_places=0
    )
    low_mark = FigureField(
        label=gettext_lazy("Low mark"),
        required=False,
        min_value=0,
        max_digits=9,
        decimal_places=0,
    )
    high_mark = FigureField(
        label=gettext_lazy("High mark"),
        required=False,
        min_value=0,
        max_digits=9,
        decimal_places=0,
    )

    def clean(self) -> dict[str, Any]:
        """Refuse marks that are out of order."""
        values = super().clean() or self.cleaned_data
        low, high, capacity = (values.get(n) for n in ("low_mark", "high_mark", "capacity"))
        if high is not None and capacity is not None and high > capacity:
            self.add_error("high_mark", _("This is more than the tank holds."))
        if low is not None and (top := high or capacity) is not None and low >= top:
            self.add_error("low_mark", _("The low mark lies below the high one and the capacity."))
        return values


class PointForm(ConsoleForm):
    """A fuelling point and its bay."""

    number = forms.IntegerField(label=gettext_lazy("Number"), min_value=1, max_value=NUMBER_MAX)
    bay = forms.IntegerField(label=gettext_lazy("Bay"), min_value=1, max_value=NUMBER_MAX)


class NozzleForm(_ProductChoice):
    """A nozzle, what it gives and where that comes from."""

    fuelling_point = forms.IntegerField(
        label=gettext_lazy("Fuelling point"), min_value=1, max_value=NUMBER_MAX
    )
    number = forms.IntegerField(label=gettext_lazy("Nozzle"), min_value=1, max_value=NUMBER_MAX)
    product = forms.ChoiceField()
    tank = forms.TypedChoiceField()


class SetupRows(RowsFormSet):
    """Rows of a group, each known by its key, of which what is in use must stay."""

    key: tuple[str, ...] = ("number",)
    uses: Mapping[Any, Uses] = {}

    def clean(self) -> None:
        """Refuse a key that comes twice, and the removal of what is in use."""
        seen = set()
        for form in self.rows:
            key = self._key(form.cleaned_data)
            if None not in key and key in seen:
                form.add_error(self.key[-1], _("Another row has this already."))
            seen.add(key)
        for row in self.initial or ():
            if self._key(row) not in seen and (use := self.uses.get(row[self.key[0]])):
                raise forms.ValidationError(
                    _("%(row)s %(name)s cannot go: %(why)s"),
                    params={
                        "row": self.row_name,
                        "name": row[self.key[0]],
                        "why": use_words(use),
                    },
                )

    def _key(self, values: Mapping[str, Any]) -> tuple[Any, ...]:
        return tuple(values.get(part) for part in self.key)

    def show_stored(self, stored: list[dict[str, Any]]) -> list[str]:
        """Let rows show what is stored meanwhile; return the names of stored ones that lack."""
        by_key = {tuple(str(row[part]) for part in self.key): row for row in stored}
        for form in self.forms:
            key = tuple(str(form[part].data or "") for part in self.key)
            form.current = by_key.pop(key, {})
        return [" / ".join(key) for key in by_key]


def use_words(use: Uses) -> str:
    """Say what something is used by."""
    words = []
    if use.tanks:
        words.append(_("it is in tank %(tanks)s") % {"tanks": formatting.numbers(use.tanks)})
    if use.nozzles:
        point, number = use.nozzles[0]
        words.append(
            _("nozzle %(number)d of fuelling point %(point)d gives it")
            % {"number": number, "point": point}
        )
    if use.is_sold_now:
        words.append(_("the open fiscal day has entries of it"))
    return "; ".join(words) + "."


class ProductRows(SetupRows):
    """The products of a site."""

    title = gettext_lazy("Products")
    row_name = gettext_lazy("Product")
    add_label = gettext_lazy("Add a product")
    key = ("code",)


class TankRows(SetupRows):
    """The tanks of a site."""

    title = gettext_lazy("Tanks")
    row_name = gettext_lazy("Tank")
    add_label = gettext_lazy("Add a tank")


class PointRows(SetupRows):
    """The fuelling points of a site."""

    title = gettext_lazy("Fuelling points")
    row_name = gettext_lazy("Fuelling point")
    add_label = gettext_lazy("Add a fuelling point")


class NozzleRows(SetupRows):
    """The nozzles of a site."""

    title = gettext_lazy("Nozzles")
    row_name = gettext_lazy("Nozzle")
    add_label = gettext_lazy("Add a nozzle")
    key = ("fuelling_point", "number")


_ROW_SETS = {
    "products": rows_factory(ProductForm, ProductRows, rows_max=PRODUCTS_MAX),
    "tanks": rows_factory(TankForm, TankRows, rows_max=TANKS_MAX),
    "fuelling_points": rows_factory(PointForm, PointRows, rows_max=POINTS_MAX),
    "nozzles": rows_factory(NozzleForm, NozzleRows, rows_max=NOZZLES_MAX),
}


def setup_rows(site: Site, name: str, data: Any, *, stored: list[dict[str, Any]]) -> SetupRows:
    """Return the rows of one group of a site."""
    kwargs: dict[str, Any] = {}
    uses: Mapping[Any, Uses] = {}
    if name == "products":
        kwargs, uses = {"currency": site.currency}, product_uses(site)
    elif name == "tanks":
        uses = tank_uses(site)
    if name in {"tanks", "nozzles"}:
        kwargs = {
            "products": list(site.products.values_list("code", flat=True)),
            "tanks": list(site.tanks.values_list("number", flat=True)),
        }
    rows = _ROW_SETS[name](data, prefix=name, initial=stored, form_kwargs=kwargs)
    assert isinstance(rows, SetupRows)
    rows.uses = uses
    return rows
