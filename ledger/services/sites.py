"""Registering sites and what stands on their forecourts.

Every function is idempotent: told the same again, it writes nothing. Whatever does change is
announced on `site_changes` in the same transaction, so that ingest workers know a new site
before its first message can be refused for good. Ledger rows are never touched: a site is
updated or marked as closed, not deleted.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from decimal import Decimal
from functools import cache
from typing import Any, Literal, TypeAlias
from zoneinfo import ZoneInfo

from django.db import connection, models

from ledger.models import FuellingPoint, Nozzle, Product, ProductFamily, Site, Tank
from ledger.models.site import SITE_CODE_PATTERN
from ledger.plain import PlainTextError, plain_text
from ledger.plausible import FIRST_DAY_MIN, first_day_default
from ledger.selectors.setup import has_ledger
from ledger.services.transactions import durable
from ledger.site_codes import CLIENT_ID_PREFIX, CONSOLE_USER, is_reserved
from ledger.specs import FuellingPointSpec, NozzleSpec, ProductSpec, SiteSpec, TankSpec

#: Workers listen here; the payload is empty, for they load all sites again.
SITE_CHANGES_CHANNEL = "site_changes"
#: Rows in one INSERT. PostgreSQL takes more, but the statement is built in memory.
BATCH_ROWS = 2_000

Outcome = Literal["registered", "updated", "unchanged"]
Spec: TypeAlias = ProductSpec | TankSpec | FuellingPointSpec | NozzleSpec

_CODE = re.compile(SITE_CODE_PATTERN)
_CURRENCY = re.compile(r"[A-Z]{3}")
#: Fields of a spec that are groups with tables of their own.
_GROUPS = ("products", "tanks", "fuelling_points", "nozzles")
_SITE_FIELDS = tuple(field.name for field in fields(SiteSpec) if field.name not in _GROUPS)
#: The code names the site on paper and in every topic, so it stays as it was first given.
_UPDATED_FIELDS = tuple(name for name in _SITE_FIELDS if name not in {"code", "source_id"})


class SiteRegistrationError(ValueError):
    """What was told cannot be a site. The message names the site and the value."""


@dataclass(frozen=True, slots=True)
class Registration:
    """A site as it is registered now, and what registering it did."""

    site: Site
    outcome: Outcome


def site_register(*, spec: SiteSpec) -> Registration:
    """Register one site, or bring it up to date. See `sites_register`."""
    return sites_register(specs=[spec])[0]


def site_configure(*, site: Site, **groups: Any) -> bool:
    """Do what `site_write_groups` does, in one transaction."""
    with durable():
        return site_write_groups(site=site, **groups)


def site_write_groups(
    *,
    site: Site,
    products: Sequence[ProductSpec] | None = None,
    tanks: Sequence[TankSpec] | None = None,
    fuelling_points: Sequence[FuellingPointSpec] | None = None,
    nozzles: Sequence[NozzleSpec] | None = None,
) -> bool:
    """Say what a registered site sells and what stands on its forecourt.

    In the transaction of the caller. A group that is given is the whole of it: what it does not
    name is removed. Returns whether anything changed.
    """
    groups: dict[str, Sequence[Spec] | None] = {
        "products": products,
        "tanks": tanks,
        "fuelling_points": fuelling_points,
        "nozzles": nozzles,
    }
    _check_products(site.code, products)
    changed = _configure({name: {site.pk: specs} for name, specs in groups.items()})
    if changed:
        sites_announce()
    return bool(changed)


def sites_register(
    *, specs: Sequence[SiteSpec], progress: Callable[[int], None] | None = None
) -> list[Registration]:
    """Register sites, or bring them up to date, in one transaction; see `sites_write`."""
    with durable():
        return sites_write(specs=specs, progress=progress)


def sites_write(
    *, specs: Sequence[SiteSpec], progress: Callable[[int], None] | None = None
) -> list[Registration]:
    """Register sites, or bring them up to date, in the transaction of the caller.

    A site is recognised by its `source_id` where it has one, else by its code. Returns one
    registration for each spec, in the same order. Raises SiteRegistrationError when two specs
    name the same site, when a code belongs to another site, or when a value is unusable; nothing
    is written then.
    """
    for spec in specs:
        _check(spec)
    _refuse_repeats(specs)
    report = progress or (lambda _: None)
    known = _lock_known(specs)
    outcomes, sites = _write_sites(specs, known)
    report(len(specs) // 2)
    changed = _configure(
        {
            name: {site.pk: getattr(spec, name) for spec, site in zip(specs, sites, strict=True)}
            for name in _GROUPS
        }
    )
    registrations = [
        Registration(site, "updated" if outcome == "unchanged" and site.pk in changed else outcome)
        for site, outcome in zip(sites, outcomes, strict=True)
    ]
    if any(registration.outcome != "unchanged" for registration in registrations):
        sites_announce()
    report(len(specs))
    return registrations


def _check(spec: SiteSpec) -> None:
    if not _CODE.fullmatch(spec.code):
        raise SiteRegistrationError(
            f"{spec.code!r} is no site code: 1 to 32 letters, digits or hyphens"
        )
    if not spec.name:
        raise SiteRegistrationError(f"site {spec.code} has no name")
    if not _CURRENCY.fullmatch(spec.currency):
        raise SiteRegistrationError(
            f"site {spec.code}: {spec.currency!r} is no currency: three capital letters"
        )
    if spec.first_fiscal_day is not None and spec.first_fiscal_day < FIRST_DAY_MIN:
        raise SiteRegistrationError(
            f"site {spec.code}: a first fiscal day before {FIRST_DAY_MIN} is that of a broken "
            f"clock: {spec.first_fiscal_day}"
        )
    if not _is_timezone(spec.timezone):
        raise SiteRegistrationError(f"site {spec.code}: time zone {spec.timezone!r} is not known")
    for name, length_max in _text_fields().items():
        if len(value := getattr(spec, name) or "") > length_max:
            raise SiteRegistrationError(
                f"site {spec.code}: {name} is {len(value)} characters long; {length_max} fit"
            )
    _check_products(spec.code, spec.products)


@cache
def _is_timezone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return False
    return True


@cache
def _text_fields() -> dict[str, int]:
    """The longest text that each column of a site takes."""
    columns = {column.name: column for column in Site._meta.concrete_fields}  # noqa: SLF001 Django's documented API
    return {
        name: length_max
        for name in _SITE_FIELDS
        if (length_max := getattr(columns[name], "max_length", None)) is not None
    }


def _check_products(code: str, products: Iterable[ProductSpec] | None) -> None:
    for product in products or ():
        try:
            is_plain = plain_text(product.code) == product.code != ""
        except PlainTextError:
            is_plain = False
        if not is_plain:
            raise SiteRegistrationError(
                f"site {code}: {product.code!r} is no product code: it has blanks around it, is "
                "not in Unicode NFC, or holds what nobody can see"
            )
        if product.family not in ProductFamily.values:
            raise SiteRegistrationError(
                f"site {code}, product {product.code}: family {product.family!r} is not known"
            )


def _refuse_repeats(specs: Sequence[SiteSpec]) -> None:
    for attribute in ("code", "source_id"):
        seen: set[str] = set()
        for spec in specs:
            value = getattr(spec, attribute)
            if value is not None and value in seen:
                raise SiteRegistrationError(f"two sites have the {attribute} {value}")
            seen.add(value)


def _lock_known(specs: Sequence[SiteSpec]) -> dict[SiteSpec, Site]:
    """Find the sites that are registered already, locked in the order of their keys."""
    wanted = models.Q(code__in=[spec.code for spec in specs])
    wanted |= models.Q(source_id__in=[spec.source_id for spec in specs if spec.source_id])
    found = list(Site.objects.select_for_update().filter(wanted).order_by("pk"))
    by_code = {site.code: site for site in found}
    by_source = {site.source_id: site for site in found if site.source_id}
    known = {}
    for spec in specs:
        site = by_source.get(spec.source_id) if spec.source_id else by_code.get(spec.code)
        if site is None and (holder := by_code.get(spec.code)) is not None:
            raise SiteRegistrationError(
                f"the code {spec.code} belongs to {holder.name} already "
                f"(source {holder.source_id or 'unknown'}, not {spec.source_id})"
            )
        if site is not None:
            known[spec] = site
    return known


def _write_sites(
    specs: Sequence[SiteSpec], known: dict[SiteSpec, Site]
) -> tuple[list[Outcome], list[Site]]:
    sites: list[Site] = []
    outcomes: list[Outcome] = []
    for spec in specs:
        site = known.get(spec)
        if site is None:
            if is_reserved(spec.code):
                raise SiteRegistrationError(
                    f"{spec.code} is no site's code: the console itself is called so at the broker "
                    f"(“{CONSOLE_USER}”, and what begins with “{CLIENT_ID_PREFIX}”)"
                )
            site = Site(**_told(spec, _SITE_FIELDS, first_day=first_day_default()))
            outcomes.append("registered")
        else:
            new = _told(spec, _UPDATED_FIELDS, first_day=site.first_fiscal_day)
            changed = {name: value for name, value in new.items() if getattr(site, name) != value}
            if {"currency", "timezone"} & changed.keys() and has_ledger(site):
                raise SiteRegistrationError(
                    f"site {spec.code}: the ledger holds amounts in {site.currency}, by the clock "
                    f"of {site.timezone}, not in {spec.currency} by that of {spec.timezone}"
                )
            for name, value in changed.items():
                setattr(site, name, value)
            outcomes.append("updated" if changed else "unchanged")
        sites.append(site)
    pairs = list(zip(sites, outcomes, strict=True))
    Site.objects.bulk_create([s for s, o in pairs if o == "registered"], batch_size=BATCH_ROWS)
    Site.objects.bulk_update(
        [s for s, o in pairs if o == "updated"], _UPDATED_FIELDS, batch_size=BATCH_ROWS
    )
    return outcomes, sites


def _told(spec: SiteSpec, names: Iterable[str], *, first_day: datetime.date) -> dict[str, Any]:
    """Return what a spec says; of a cut-off it may say nothing.

    `first_day` is the site's first one without it, which a spec can only move back.
    """
    values = {name: getattr(spec, name) for name in names}
    if spec.cutoff is None:
        del values["cutoff"]
    values["first_fiscal_day"] = min(spec.first_fiscal_day or first_day, first_day)
    return values


#: For each group: its model, and the members of its key beside the site.
_MODELS: dict[str, tuple[type[models.Model], tuple[str, ...]]] = {
    "products": (Product, ("code",)),
    "tanks": (Tank, ("number",)),
    "fuelling_points": (FuellingPoint, ("number",)),
    "nozzles": (Nozzle, ("fuelling_point", "number")),
}


def _configure(groups: dict[str, dict[int, Sequence[Spec] | None]]) -> set[int]:
    """Make the groups of each site what the specs say. Returns the sites where that changed."""
    changed: set[int] = set()
    for name, specs_by_site in groups.items():
        told = {site_id: specs for site_id, specs in specs_by_site.items() if specs is not None}
        if told:
            changed |= _configure_group(*_MODELS[name], told)
    return changed


def _configure_group(
    model: type[models.Model], key: tuple[str, ...], told: dict[int, Sequence[Spec]]
) -> set[int]:
    """Write only what differs, so that telling the same again writes nothing."""
    wanted: dict[tuple[Any, ...], dict[str, Any]] = {}
    for site_id, specs in told.items():
        for spec in specs:
            values = asdict(spec)
            wanted[site_id, *(values[member] for member in key)] = values
    names = [f.attname for f in model._meta.concrete_fields]  # noqa: SLF001 Django's documented API
    rows = model._default_manager.filter(site_id__in=told).values(*names)  # noqa: SLF001 as above
    present = {(row["site_id"], *(row[member] for member in key)): row for row in rows}

    gone = [row_key for row_key in present if row_key not in wanted]
    differing = [
        row_key
        for row_key, values in wanted.items()
        if row_key not in present
        or any(not _equal(present[row_key][name], value) for name, value in values.items())
    ]
    if gone:
        model._default_manager.filter(pk__in=gone).delete()  # noqa: SLF001 as above
    payload = [name for name in names if name != "site_id" and name not in key]
    model._default_manager.bulk_create(  # noqa: SLF001 as above
        [model(site_id=row_key[0], **wanted[row_key]) for row_key in differing],
        update_conflicts=True,
        unique_fields=["site_id", *key],
        update_fields=payload,
        batch_size=BATCH_ROWS,
    )
    return {row_key[0] for row_key in (*gone, *differing)}


def _equal(left: Any, right: Any) -> bool:
    if isinstance(left, Decimal) and right is not None:
        return left == Decimal(right)
    return bool(left == right)


def first_days_move(*, first_days: Mapping[int, datetime.date]) -> list[Site]:
    """Let sites, by id, begin with an earlier fiscal day; return those of which one was later.

    As they were before, each with its former first day, locked until the caller's transaction
    ends. A first day before FIRST_DAY_MIN moves nothing further than there.
    """
    moved = []
    # No key: rows that refer to a site can go on being written.
    sites = Site.objects.select_for_update(no_key=True).filter(pk__in=first_days).order_by("pk")
    for site in sites:
        first = max(first_days[site.pk], FIRST_DAY_MIN)
        if first < site.first_fiscal_day:
            Site.objects.filter(pk=site.pk).update(first_fiscal_day=first)
            moved.append(site)
    if moved:
        sites_announce()
    return moved


def sites_announce() -> None:
    """Tell the ingest workers that sites changed, when the transaction commits."""
    with connection.cursor() as cursor:
        cursor.execute(f"NOTIFY {SITE_CHANGES_CHANNEL}")
