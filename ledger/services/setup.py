"""A person registers a site, or changes what a site is and what stands on its forecourt.

Each change is one transaction: it takes the site's lock, compares the version that the person saw
with what is stored, writes, records who did it, and tells the ingest workers and the watching
pages. `ledger.services.sites` registers sites for programs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser

from ledger.models import Site
from ledger.selectors.setup import (
    DETAIL_FIELDS,
    Row,
    has_ledger,
    product_uses,
    sealed_between,
    site_details,
    site_groups,
    tank_uses,
    version_of,
)
from ledger.services.announce import changes_announce
from ledger.services.audit import audit_record, changed_values
from ledger.services.sites import site_write_groups, sites_announce
from ledger.services.transactions import durable
from ledger.specs import FuellingPointSpec, NozzleSpec, ProductSpec, TankSpec

_SPECS = {
    "products": ProductSpec,
    "tanks": TankSpec,
    "fuelling_points": FuellingPointSpec,
    "nozzles": NozzleSpec,
}
_KEYS = {
    "products": ("code",),
    "tanks": ("number",),
    "fuelling_points": ("number",),
    "nozzles": ("fuelling_point", "number"),
}
_CHANGED = {
    "products": "site.products_changed",
    "tanks": "site.tanks_changed",
    "fuelling_points": "site.fuelling_points_changed",
    "nozzles": "site.nozzles_changed",
}


class ChangedMeanwhileError(Exception):
    """Somebody else stored something since the person saw the values. Nothing was written."""


class InUseError(ValueError):
    """What is to go, or to change, is referred to. Nothing was written."""


def site_create(*, code: str, values: Mapping[str, Any], actor: AbstractBaseUser) -> Site:
    """Register a site. ValidationError for values that cannot be one, a taken code among them."""
    site = Site(code=code, **values)
    with durable():
        site.full_clean()
        site.save(force_insert=True)
        audit_record(
            action="site.registered",
            actor=actor,
            site=site,
            subject=str(site),
            detail={"after": {"code": code, **values}},
        )
        sites_announce()
    return site


def site_update(
    *, site: Site, values: Mapping[str, Any], version: str, actor: AbstractBaseUser
) -> bool:
    """Change what a site is; returns whether anything was changed.

    ChangedMeanwhileError when `version` is not that of what is stored; InUseError for another
    currency or time zone once the ledger holds amounts, and for a first fiscal day that would leave
    out a sealed one; ValidationError for values that cannot be a site's.
    """
    assert values.keys() <= set(DETAIL_FIELDS)
    with durable():
        stored = Site.objects.select_for_update().get(pk=site.pk)
        before = site_details(stored)
        if version_of(before) != version:
            raise ChangedMeanwhileError
        changes = changed_values(before, {**before, **values})
        if not changes["after"]:
            return False
        if {"currency", "timezone"} & changes["after"].keys() and has_ledger(stored):
            raise InUseError("the ledger holds amounts in the site's currency, by its clock")
        first_day = changes["after"].get("first_fiscal_day")
        if first_day and sealed_between(stored, stored.first_fiscal_day, first_day):
            raise InUseError("a fiscal day before the new first one is sealed")
        for name, value in changes["after"].items():
            setattr(stored, name, value)
        stored.full_clean()
        stored.save(update_fields=list(changes["after"]))
        audit_record(
            action="site.changed", actor=actor, site=stored, subject=str(stored), detail=changes
        )
        sites_announce()
        changes_announce(site_ids=[stored.pk])
    return True


def site_groups_update(
    *, site: Site, groups: Mapping[str, Sequence[Row]], version: str, actor: AbstractBaseUser
) -> bool:
    """Make groups (products, tanks, fuelling points, nozzles) what the rows say; the rest goes.

    Returns whether anything was changed. ChangedMeanwhileError when `version` is not that of
    these groups as stored; InUseError when a product or a tank goes that is referred to, or a
    nozzle stands at a fuelling point that is not there.
    """
    names = tuple(groups)
    with durable():
        stored = Site.objects.select_for_update().get(pk=site.pk)
        before = site_groups(stored, *names)
        if version_of(before) != version:
            raise ChangedMeanwhileError
        _refuse_what_is_in_use(stored, before, groups)
        specs: dict[str, Any] = {
            name: [_SPECS[name](**row) for row in rows] for name, rows in groups.items()
        }
        if not site_write_groups(site=stored, **specs):
            return False
        after = site_groups(stored, *names)
        for name in names:
            changes = changed_values(_by_key(name, before[name]), _by_key(name, after[name]))
            if changes["before"] or changes["after"]:
                audit_record(
                    action=_CHANGED[name],
                    actor=actor,
                    site=stored,
                    subject=str(stored),
                    detail=changes,
                )
        changes_announce(site_ids=[stored.pk])
    return True


def _refuse_what_is_in_use(
    site: Site, before: Mapping[str, Sequence[Row]], groups: Mapping[str, Sequence[Row]]
) -> None:
    uses: Mapping[Any, Any]
    for name, key, uses in (
        ("products", "code", product_uses(site)),
        ("tanks", "number", tank_uses(site)),
    ):
        if name in groups:
            gone = {row[key] for row in before[name]} - {row[key] for row in groups[name]}
            if held := sorted(each for each in gone if uses.get(each)):
                raise InUseError(f"{name} in use: {held}")
    if "nozzles" in groups:
        points = groups.get("fuelling_points", site_groups(site, "fuelling_points").popitem()[1])
        numbers = {row["number"] for row in points}
        if any(row["fuelling_point"] not in numbers for row in groups["nozzles"]):
            raise InUseError("a nozzle stands at a fuelling point that is not there")


def _by_key(name: str, rows: Sequence[Row]) -> dict[str, Row]:
    return {"/".join(str(row[part]) for part in _KEYS[name]): dict(row) for row in rows}
