"""The demo's sites and people: one person for each role, with passwords that everybody knows."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from django.conf import settings
from django.contrib.auth.hashers import (
    PBKDF2PasswordHasher,
    check_password,
    get_hasher,
    make_password,
)

from console.models import Role, SiteAssignment, User
from ledger.demo_sites import demo_sites
from ledger.models import Site
from ledger.services.audit import audit_record
from ledger.services.sites import Registration, sites_write
from ledger.services.transactions import durable

#: How many sites the demo's site manager looks after, so that the others do not exist for them.
MANAGED_SITES = 2
#: Signing in replaces such a hash by one of full strength.
HASH_ITERATIONS = 1_000


class DemoRefusedError(Exception):
    """The demo would open a production system to everybody. The message says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoPerson:
    """Who signs in as what."""

    username: str
    password: str
    first_name: str
    last_name: str
    role: Role


DEMO_PEOPLE = tuple(
    DemoPerson(
        username=role.value,
        password=f"demo-{role.value}",
        first_name=first_name,
        last_name=last_name,
        role=role,
    )
    for role, first_name, last_name in (
        (Role.MANAGER, "Maja", "Lindqvist"),
        (Role.STAFF, "Samuel", "Okafor"),
        (Role.APPROVER, "Aoife", "Brennan"),
        (Role.AUDITOR, "Aurélie", "Marchand"),
        (Role.FRONTEND, "Filip", "Nowak"),
        (Role.ADMINISTRATOR, "Ada", "Castellanos"),
    )
)


@dataclass(frozen=True, slots=True)
class Demo:
    """What the demo consists of now."""

    registrations: list[Registration]
    managed_sites: list[Site]


def demo_seed(*, site_count: int) -> Demo:
    """Register the demo's sites and make its people; doing it again changes nothing.

    A demo person who is there already gets the demo's role and password back. Raises
    DemoRefusedError unless DEBUG is on, ValueError for a number of sites that is out of range.
    """
    if not settings.DEBUG:
        raise DemoRefusedError(
            "Demo people have passwords that everybody knows, so they are made only while DEBUG "
            "is on. Set DEBUG=on to try the demo; here, make people of your own with "
            "`manage.py createsuperuser`."
        )
    specs = [demo_site.spec for demo_site in demo_sites(site_count)]
    with durable():
        registrations = sites_write(specs=specs)
        managed = [registration.site for registration in registrations[:MANAGED_SITES]]
        for person in DEMO_PEOPLE:
            user = _person_upsert(person)
            if person.role == Role.MANAGER:
                _assign(user, managed)
        _record(registrations)
    return Demo(registrations, managed)


def _record(registrations: list[Registration]) -> None:
    outcomes = Counter(registration.outcome for registration in registrations)
    if outcomes["registered"] or outcomes["updated"]:
        audit_record(
            action="demo.seeded",
            actor="seed_demo",
            detail={str(name): count for name, count in outcomes.items()},
        )


def _person_upsert(person: DemoPerson) -> User:
    user, _ = User.objects.update_or_create(
        username=person.username,
        defaults={
            "first_name": person.first_name,
            "last_name": person.last_name,
            "role": person.role,
            "is_active": True,
        },
    )
    # Not user.check_password, which would hash a weak one anew, at the full price.
    if not check_password(person.password, user.password):
        user.password = _cheap_hash(person.password)
        user.save(update_fields=["password"])
    return user


def _cheap_hash(password: str) -> str:
    """Hash a password that is printed on the screen: six costly hashes would only slow a start."""
    hasher = get_hasher()
    if isinstance(hasher, PBKDF2PasswordHasher):
        return hasher.encode(password, hasher.salt(), iterations=HASH_ITERATIONS)
    return make_password(password)


def _assign(user: User, sites: list[Site]) -> None:
    """Give a person these sites and no others."""
    SiteAssignment.objects.filter(user=user).exclude(site__in=sites).delete()
    SiteAssignment.objects.bulk_create(
        [SiteAssignment(user=user, site=site) for site in sites], ignore_conflicts=True
    )
