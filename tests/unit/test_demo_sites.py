"""The demo's forecourts are valid sites, always the same ones."""

from __future__ import annotations

import datetime
import re

import pytest

from ingest.contract import SITE_CODE
from ledger.demo_sites import DEMO_SITES_MAX, DemoSite, demo_sites
from ledger.models import ProductFamily

SITES = demo_sites(120)


def test_they_are_always_the_same_and_codes_are_unique() -> None:
    assert demo_sites(8) == SITES[:8]
    assert demo_sites(120) == SITES
    assert len({site.spec.code for site in SITES}) == 120


@pytest.mark.parametrize("site", SITES, ids=lambda site: site.spec.code)
def test_each_is_a_whole_forecourt(site: DemoSite) -> None:
    spec = site.spec
    assert SITE_CODE.fullmatch(spec.code)
    assert re.fullmatch(r"[A-Z]{3}", spec.currency)
    assert spec.products is not None
    assert spec.tanks is not None
    assert spec.nozzles is not None
    assert spec.fuelling_points is not None
    # The day has changed by then, and not long ago.
    assert spec.cutoff is not None
    assert site.cut_over < spec.cutoff <= datetime.time(8)
    families = {product.code: product.family for product in spec.products}
    assert set(families.values()) <= set(ProductFamily.values)
    fuels = {code for code, family in families.items() if family != "dry_goods"}
    assert 2 <= len(fuels) <= 4
    assert 4 <= len(spec.fuelling_points) <= 12
    assert {tank.product for tank in spec.tanks} == fuels
    tanks = {tank.number: tank for tank in spec.tanks}
    for nozzle in spec.nozzles:
        assert nozzle.tank is not None
        assert tanks[nozzle.tank].product == nozzle.product
    assert {demand.product for demand in site.demand} == fuels
    assert {code for code, *_ in site.dry_goods} == set(families) - fuels
    assert len(site.hour_weights) == 24


@pytest.mark.parametrize("count", [0, -1, DEMO_SITES_MAX + 1])
def test_a_number_out_of_range_is_refused(count: int) -> None:
    with pytest.raises(ValueError, match="between 1 and"):
        demo_sites(count)
