"""What a person may see and do. A site that a person may not see does not exist for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import PermissionDenied
from django.http import Http404
from django.utils.translation import gettext as _

from console.models import Role, User
from ledger.models import Quarantine, Site

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from console.fragments import SiteIds

#: Roles that see every site. A manager sees the assigned ones, the frontend role none.
NETWORK_ROLES = frozenset({Role.STAFF, Role.APPROVER, Role.AUDITOR, Role.ADMINISTRATOR})
#: Roles that look after the sites they see: they ask for entries and take note of alarms.
OPERATING_ROLES = frozenset({Role.MANAGER, Role.STAFF, Role.APPROVER, Role.ADMINISTRATOR})


def sees_all_sites(user: User | AnonymousUser) -> bool:
    """Say whether the person's role sees the whole network."""
    return isinstance(user, User) and user.is_active and user.role in NETWORK_ROLES


def visible_sites(user: User | AnonymousUser) -> QuerySet[Site]:
    """Return the sites the person may see."""
    if sees_all_sites(user):
        return Site.objects.all()
    if isinstance(user, User) and user.is_active and user.role == Role.MANAGER:
        return Site.objects.filter(people=user)
    return Site.objects.none()


def visible_site_ids(user: User | AnonymousUser) -> SiteIds:
    """Return the ids of the sites the person may see, None standing for all of them."""
    if sees_all_sites(user):
        return None
    return frozenset(visible_sites(user).values_list("id", flat=True))


def site_for(user: User | AnonymousUser, code: str) -> Site:
    """Return the site with this code; Http404 when there is none that the person may see."""
    site = visible_sites(user).select_related("status").filter(code=code).first()
    if site is None:
        raise Http404(_("There is no such site among those you can see."))
    return site


def may_operate(user: User | AnonymousUser) -> bool:
    """Say whether the person looks after the sites they see, and does not only read."""
    return isinstance(user, User) and user.is_active and user.role in OPERATING_ROLES


def may_see_gallery(user: User | AnonymousUser) -> bool:
    """Say whether the person works on templates; in development everybody may look."""
    if not isinstance(user, User) or not user.is_active:
        return False
    return settings.DEBUG or user.role in {Role.FRONTEND, Role.ADMINISTRATOR}


def site_to_operate(user: User | AnonymousUser, code: str) -> tuple[Site, User]:
    """Return a site that the person looks after, and the person.

    Http404 when there is none that they may see, PermissionDenied when they may only see it.
    """
    site = site_for(user, code)
    if not isinstance(user, User) or not may_operate(user):
        raise PermissionDenied
    return site, user


def visible_quarantine(user: User | AnonymousUser) -> QuerySet[Quarantine]:
    """Return the quarantined messages the person may see: all, or those of their own sites."""
    if sees_all_sites(user):
        return Quarantine.objects.all()
    return Quarantine.objects.filter(site__in=visible_sites(user))
