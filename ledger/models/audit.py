"""Who did what and when: one row for each change that a person, or the system, makes."""

from typing import ClassVar

from django.conf import settings
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from ledger.models.site import Site


class AuditEvent(models.Model):
    """One change, written in the transaction that makes it by `ledger.services.audit`.

    `action` is a dotted code, the thing before what was done to it: `correction.proposed`.
    `subject` names in words what was changed; site, fiscal day and sequence say where, as far as
    they apply. `detail` holds what changed: `before` and `after` by field, reasons and notes.
    `actor_name` is how the person was called then; without an actor it names the program.

    Invariant: never changed, deleted or truncated (the database refuses), and a link of a chain
    soon after it is committed (`AuditLink`).
    """

    id = models.BigAutoField(primary_key=True)
    at = models.DateTimeField(_("at"), db_default=Now())
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        db_index=False,
        related_name="+",
        null=True,
    )
    actor_name = models.CharField(_("who"), max_length=150)
    action = models.CharField(_("action"), max_length=48)
    site = models.ForeignKey(
        Site, on_delete=models.PROTECT, db_index=False, related_name="+", null=True
    )
    fiscal_day = models.DateField(_("fiscal day"), null=True)
    sequence = models.IntegerField(_("sequence"), null=True)
    subject = models.CharField(_("what"), max_length=200, blank=True)
    detail = models.JSONField(_("detail"), default=dict, encoder=DjangoJSONEncoder)

    class Meta:
        db_table = "audit_event"
        verbose_name = _("audit event")
        verbose_name_plural = _("audit events")
        indexes: ClassVar = [
            models.Index(fields=["site", "fiscal_day", "id"], name="audit_of_day"),
            models.Index(fields=["actor", "id"], name="audit_of_actor"),
        ]

    def __str__(self) -> str:
        return f"{self.pk} {self.action}"


class AuditLink(models.Model):
    """An event's place in the chain of events, and the digests that make it one (`ledger.trail`).

    Numbers count from 1 without a gap. Events are linked after they are committed, so that nobody
    who records one waits for another: by those who seal, and every second by the worker.

    Invariant: never changed, deleted or truncated (the database refuses). The one writer is the
    database's function `audit_link_events`.
    """

    number = models.BigIntegerField(_("number"), primary_key=True)
    # No event is ever deleted, so no foreign key is checked for each.
    event = models.OneToOneField(
        AuditEvent, on_delete=models.PROTECT, db_constraint=False, related_name="link"
    )
    event_digest = models.BinaryField(max_length=32)
    digest = models.BinaryField(max_length=32)

    class Meta:
        db_table = "audit_link"
        constraints: ClassVar = [
            models.CheckConstraint(name="audit_link_number", condition=models.Q(number__gte=1)),
        ]

    def __str__(self) -> str:
        return str(self.number)


class AuditUnlinked(models.Model):
    """An event that waits to become a link. A trigger writes it with the event.

    So nobody looks for events to link in the whole trail.
    """

    event = models.OneToOneField(
        AuditEvent,
        on_delete=models.PROTECT,
        primary_key=True,
        db_constraint=False,
        related_name="+",
    )

    class Meta:
        db_table = "audit_unlinked"

    def __str__(self) -> str:
        return str(self.pk)
