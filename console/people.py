"""A person is made, changed, or gets another password; each change is recorded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from console.models import Role, SiteAssignment, User
from ledger.models import Site
from ledger.selectors.setup import version_of
from ledger.services.audit import audit_record, changed_values
from ledger.services.setup import ChangedMeanwhileError
from ledger.services.transactions import durable

_FIELDS = ("username", "first_name", "last_name", "email", "role", "is_active")


class LastAdministratorError(ValueError):
    """Nobody would be left who can let people in. Nothing was written."""


def person_values(person: User) -> dict[str, Any]:
    """Return what is stored of a person now, their sites as codes, one a line."""
    stored = User.objects.values(*_FIELDS).get(pk=person.pk)
    codes = Site.objects.filter(people=person).order_by("code").values_list("code", flat=True)
    return {**stored, "sites": "\n".join(codes)}


def person_version(person: User) -> str:
    """Return the version of what is stored."""
    return version_of(person_values(person))


def person_create(*, values: Mapping[str, Any], password: str, actor: User) -> User:
    """Make a person who can sign in. ValidationError for a username that is taken meanwhile."""
    person = User(**{name: values[name] for name in _FIELDS})
    person.set_password(password)
    with durable():
        person.full_clean()
        person.save(force_insert=True)
        _assign(person, values["sites"])
        audit_record(
            action="person.created",
            actor=actor,
            subject=f"{person} ({person.username})",
            detail={"after": dict(values)},
        )
    return person


def person_update(*, person: User, values: Mapping[str, Any], version: str, actor: User) -> bool:
    """Change a person; returns whether anything was changed.

    ChangedMeanwhileError when `version` is not that of what is stored, LastAdministratorError
    when the last administrator who may sign in would be none.
    """
    with durable():
        # All administrators, in key order: two of them may step down at the same time.
        admins = list(
            User.objects.select_for_update(of=("self",))
            .filter(role=Role.ADMINISTRATOR, is_active=True)
            .order_by("pk")
            .values_list("pk", flat=True)
        )
        stored = User.objects.select_for_update(of=("self",)).get(pk=person.pk)
        before = person_values(stored)
        if version_of(before) != version:
            raise ChangedMeanwhileError
        changes = changed_values(before, {**before, **values})
        if not changes["after"]:
            return False
        for name in _FIELDS:
            setattr(stored, name, values[name])
        stays = stored.is_active and stored.role == Role.ADMINISTRATOR
        if admins == [stored.pk] and not stays:
            raise LastAdministratorError
        stored.full_clean()
        stored.save(update_fields=_FIELDS)
        _assign(stored, values["sites"])
        audit_record(
            action="person.changed",
            actor=actor,
            subject=f"{stored} ({stored.username})",
            detail=changes,
        )
    return True


def person_set_password(*, person: User, password: str, actor: User) -> None:
    """Give a person another password; their sessions end. What it is stays out of the record."""
    with durable():
        person.set_password(password)
        person.save(update_fields=["password"])
        audit_record(
            action="person.password_set", actor=actor, subject=f"{person} ({person.username})"
        )


def _assign(person: User, codes: str) -> None:
    sites = Site.objects.filter(code__in=codes.split())
    SiteAssignment.objects.filter(user=person).exclude(site__in=sites).delete()
    SiteAssignment.objects.bulk_create(
        [SiteAssignment(user=person, site=site) for site in sites], ignore_conflicts=True
    )
