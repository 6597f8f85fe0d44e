"""People as Django's own commands make them."""

from __future__ import annotations

import pytest
from django.core.management import call_command

from console.access import visible_sites
from console.models import User
from tests.factories import make_site


@pytest.mark.django_db
def test_a_superuser_is_an_administrator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", "a long enough password")
    site = make_site()
    call_command("createsuperuser", interactive=False, username="first", email="", verbosity=0)
    assert list(visible_sites(User.objects.get(username="first"))) == [site]
