"""What a person may see and do. A site that a person may not see does not exist for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import PermissionDenied
from django.http import Http404
from django.utils.translation import gettext as _

from console.clock import keep_to_clock_of
from console.models import Role, User
from ledger.models import AuditEvent, Quarantine, Site

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from console.fragments import SiteIds

#: Roles that see every site. A manager sees the assigned ones, the frontend role none.
NETWORK_ROLES = frozenset({Role.STAFF, Role.APPROVER, Role.AUDITOR, Role.ADMINISTRATOR})
#: Roles that look after the sites they see: they ask for entries and take note of alarms.
OPERATING_ROLES = frozenset({Role.MANAGER, Role.STAFF, Role.APPROVER, Role.ADMINISTRATOR})
#: Roles that decide what becomes of quarantined messages.
DECIDING_ROLES = frozenset({Role.STAFF, Role.APPROVER, Role.ADMINISTRATOR})
#: Who registers sites and people, and says what a site is (its place, currency, thresholds).
ADMINISTRATION_ROLES = frozenset({Role.ADMINISTRATOR})
#: Who keeps a site's products, prices, fuelling points, nozzles and tanks: the office's daily work,
#: which decides what is flagged and never what an entry says.
EQUIPMENT_ROLES = frozenset({Role.STAFF, Role.ADMINISTRATOR})

#: Roles that decide on corrections which others proposed.
APPROVING_ROLES = frozenset({Role.APPROVER, Role.ADMINISTRATOR})

#: Roles that settle a fiscal day: close it by hand, explain what differs, propose its seal.
SETTLING_ROLES = frozenset({Role.STAFF, Role.APPROVER, Role.ADMINISTRATOR})
#: Roles that seal what somebody else proposed.
SEALING_ROLES = frozenset({Role.APPROVER, Role.ADMINISTRATOR})


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


def visible_site(user: User | AnonymousUser, code: str) -> Site:
    """Return the site with this code; Http404 when there is none that the person may see."""
    site = visible_sites(user).select_related("status").filter(code=code).first()
    if site is None:
        raise Http404(_("There is no such site among those you can see."))
    return site


def site_for(user: User | AnonymousUser, code: str) -> Site:
    """Return the site whose page is asked for; the page keeps to its clock. Http404 as above."""
    site = visible_site(user, code)
    keep_to_clock_of(site)
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


def has_role(user: User | AnonymousUser, roles: frozenset[Role]) -> bool:
    """Say whether the person is active and has one of the roles."""
    return isinstance(user, User) and user.is_active and user.role in roles


def person_with(user: User | AnonymousUser, roles: frozenset[Role]) -> User:
    """Return the person; PermissionDenied unless they have one of the roles."""
    if not isinstance(user, User) or not has_role(user, roles):
        raise PermissionDenied
    return user


def visible_quarantine(user: User | AnonymousUser) -> QuerySet[Quarantine]:
    """Return the quarantined messages the person may see: all, or those of their own sites."""
    if sees_all_sites(user):
        return Quarantine.objects.all()
    return Quarantine.objects.filter(site__in=visible_sites(user))


def may_decide(user: User | AnonymousUser) -> bool:
    """Say whether the person decides what becomes of the quarantined messages they see."""
    return isinstance(user, User) and user.is_active and user.role in DECIDING_ROLES


def message_for(user: User | AnonymousUser, message_id: int) -> Quarantine:
    """Return a quarantined message; its page keeps to the clock of its site, if it has one.

    Http404 when there is none that the person may see.
    """
    messages = visible_quarantine(user).select_related("site", "replay_of")
    messages = messages.defer("digest", "replay_of__raw", "replay_of__digest")
    found = messages.filter(pk=message_id).first()
    if found is None:
        raise Http404(_("There is no such message among those you can see."))
    if found.site is not None:
        keep_to_clock_of(found.site)
    return found


def person_who_decides(user: User | AnonymousUser) -> User:
    """Return the person if they decide about quarantined messages, else PermissionDenied."""
    if not isinstance(user, User) or not may_decide(user):
        raise PermissionDenied
    return user


def visible_audit(user: User | AnonymousUser) -> QuerySet[AuditEvent]:
    """Return the audit events the person may see: all, or those of their own sites."""
    if sees_all_sites(user):
        return AuditEvent.objects.all()
    return AuditEvent.objects.filter(site__in=visible_sites(user))


def site_to_correct(user: User | AnonymousUser, code: str) -> tuple[Site, User]:
    """Return a site whose entries the person corrects or proposes to correct, and the person.

    Http404 when there is none that they may see, PermissionDenied when they may only see it.
    """
    return site_to_operate(user, code)


def may_only_propose(user: User | AnonymousUser) -> bool:
    """Say whether what the person corrects always takes a second person: a manager's own site."""
    return isinstance(user, User) and user.role == Role.MANAGER


def may_approve(user: User | AnonymousUser) -> bool:
    """Say whether the person decides on what others proposed."""
    return isinstance(user, User) and user.is_active and user.role in APPROVING_ROLES


def may_settle(user: User | AnonymousUser) -> bool:
    """Say whether the person closes days by hand, explains differences and proposes seals."""
    return isinstance(user, User) and user.is_active and user.role in SETTLING_ROLES


def may_seal(user: User | AnonymousUser) -> bool:
    """Say whether the person seals days that others propose."""
    return isinstance(user, User) and user.is_active and user.role in SEALING_ROLES


def site_to_settle(user: User | AnonymousUser, code: str) -> tuple[Site, User]:
    """Return a site whose days the person settles, and the person.

    Http404 when there is none that they may see, PermissionDenied when they may only see it.
    """
    site = site_for(user, code)
    if not isinstance(user, User) or not may_settle(user):
        raise PermissionDenied
    return site, user


def site_to_seal(user: User | AnonymousUser, code: str) -> tuple[Site, User]:
    """Return a site whose days the person seals, and the person. Raises as `site_to_settle`."""
    site = site_for(user, code)
    if not isinstance(user, User) or not may_seal(user):
        raise PermissionDenied
    return site, user
