"""Whoever works with a site hears that it was changed, once that is committed."""

from __future__ import annotations

import psycopg
from django.test import Client

from console.models import Role
from tests.factories import make_forecourt, make_user
from tests.integration.test_setup_pages import typed


def test_workers_and_watching_pages_are_told_of_a_change(
    committed_db: None, client: Client, database_url: str
) -> None:
    site = make_forecourt("S1")
    client.force_login(make_user(Role.ADMINISTRATOR))
    url = "/sites/S1/setup/products/"
    sent = typed(client, url) | {"products-0-name": "Another name"}
    with psycopg.connect(database_url, autocommit=True) as listener:
        listener.execute("LISTEN site_changes")
        listener.execute("LISTEN ledger_changes")
        assert client.post(url, sent).status_code == 303
        told = {(each.channel, each.payload) for each in listener.notifies(timeout=5, stop_after=2)}
    assert ("site_changes", "") in told
    assert ("ledger_changes", f'{{"sites": [{site.pk}]}}') in told
