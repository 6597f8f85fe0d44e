"""Corrections: what staff say about an entry, revision by revision, and what it moves."""

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from ledger.models.entry import EntryValues, Kind, Payment
from ledger.models.fields import TaxRateField, TotalMoneyField, TotalVolumeField
from ledger.models.site import Site


class Correction(EntryValues):
    """A numbered revision of one entry: its values as they should have been.

    `revision` counts from 1 for each entry. The effective values of an entry are those of its
    last approved revision, else its own; a void one counts for nothing. `add` states an entry
    that the site can no longer send. A void keeps the values that it took out.

    Invariants, all kept by the database: what a revision states, why, by whom and when is never
    changed or deleted; a decision is made once, on a proposal; one proposal an entry waits at a
    time; where a second person is needed, the author is not the one who approves; `posted_to`,
    the fiscal day whose totals it moves, is known exactly when it is approved. The one writer is
    `ledger.services.corrections`.
    """

    class Action(models.TextChoices):
        CORRECT = "correct", _("Correct")
        VOID = "void", _("Void")
        ADD = "add", _("Add by hand")

    class Status(models.TextChoices):
        PROPOSED = "proposed", _("Proposed")
        APPROVED = "approved", _("Approved")
        REJECTED = "rejected", _("Rejected")
        WITHDRAWN = "withdrawn", _("Withdrawn")

    class Reason(models.TextChoices):
        WRONG_PRICE = "wrong_price", _("Wrong price")
        WRONG_PRODUCT = "wrong_product", _("Wrong product")
        WRONG_VOLUME = "wrong_volume", _("Wrong volume or amount")
        WRONG_PAYMENT = "wrong_payment", _("Wrong means of payment")
        PUMP_TEST = "pump_test", _("Was a pump test")
        DRIVE_OFF = "drive_off", _("Was a drive-off")
        SOLD_TWICE = "sold_twice", _("Recorded twice")
        NOT_SENT = "not_sent", _("The site can no longer send it")
        CONFLICT = "conflict", _("The site sent other values later")
        OTHER = "other", _("Other, see the note")

    pk = models.CompositePrimaryKey("site_id", "fiscal_day", "sequence", "revision")
    site = models.ForeignKey(
        Site, on_delete=models.PROTECT, db_index=False, related_name="corrections"
    )
    fiscal_day = models.DateField(_("fiscal day"))
    sequence = models.IntegerField(_("sequence"))
    revision = models.SmallIntegerField(_("revision"))
    action = models.CharField(_("action"), max_length=8, choices=Action)
    reason = models.CharField(_("reason"), max_length=16, choices=Reason)
    note = models.CharField(_("note"), max_length=500, blank=True)
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, db_index=False, related_name="+"
    )
    proposed_at = models.DateTimeField(_("proposed at"))
    needs_approval = models.BooleanField(_("needs a second person"))
    status = models.CharField(_("status"), max_length=10, choices=Status)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        db_index=False,
        related_name="+",
        null=True,
    )
    decided_at = models.DateTimeField(_("decided at"), null=True)
    decision_note = models.CharField(_("note on the decision"), max_length=500, blank=True)
    posted_to = models.DateField(_("posted to the fiscal day"), null=True)

    class Meta:
        db_table = "correction"
        verbose_name = _("correction")
        verbose_name_plural = _("corrections")
        constraints: ClassVar = [
            models.CheckConstraint(name="correction_revision", condition=Q(revision__gte=1)),
            models.CheckConstraint(
                name="correction_decided",
                condition=Q(status="proposed", decided_at=None, decided_by=None)
                | (~Q(status="proposed") & Q(decided_at__isnull=False, decided_by__isnull=False)),
            ),
            models.CheckConstraint(
                name="correction_posted",
                condition=Q(status="approved", posted_to__isnull=False)
                | (~Q(status="approved") & Q(posted_to=None)),
            ),
            models.CheckConstraint(
                name="correction_four_eyes",
                condition=~Q(needs_approval=True, status="approved", decided_by=F("author")),
            ),
            models.UniqueConstraint(
                fields=["site", "fiscal_day", "sequence"],
                condition=Q(status="proposed"),
                name="correction_one_proposal",
            ),
        ]
        indexes: ClassVar = [
            # Reports and seals ask what was posted to a day, whichever day it corrects.
            models.Index(fields=["posted_to", "site"], name="correction_posted_to"),
        ]

    def __str__(self) -> str:
        return f"{self.site_id}/{self.fiscal_day}/{self.sequence} revision {self.revision}"


class CorrectionPosting(models.Model):
    """One side of what an approved correction moves, as in double entry.

    Side -1 takes the effective values out that the correction found, side 1 puts the new ones in;
    a void has only the first, an added entry only the second. `count` is the side, and `volume`,
    `amount` and `tax` carry its sign. A correction in an unsealed day is posted to that day, one
    of a sealed day to the site's open day. Totals are the raw ones of `day_total` and the like
    plus the postings to the day.

    Invariant: written once, in the transaction that approves, and never changed (the database
    refuses). An entry added by hand to an unsealed day is an entry, and has no posting.
    """

    class Side(models.IntegerChoices):
        OUT = -1, _("Taken out")
        IN = 1, _("Put in")

    pk = models.CompositePrimaryKey("site_id", "fiscal_day", "sequence", "revision", "side")
    site = models.ForeignKey(Site, on_delete=models.PROTECT, db_index=False, related_name="+")
    fiscal_day = models.DateField(_("fiscal day of the entry"))
    sequence = models.IntegerField(_("sequence"))
    revision = models.SmallIntegerField(_("revision"))
    side = models.SmallIntegerField(_("side"), choices=Side)
    posted_to = models.DateField(_("posted to the fiscal day"))
    kind = models.SmallIntegerField(_("kind"), choices=Kind)
    product = models.CharField(_("product"), max_length=32)
    tax_rate = TaxRateField(_("tax rate, per cent"), null=True)
    payment = models.SmallIntegerField(_("payment"), choices=Payment, null=True)
    fuelling_point = models.SmallIntegerField(_("fuelling point"), null=True)
    nozzle = models.SmallIntegerField(_("nozzle"), null=True)
    tank = models.SmallIntegerField(_("tank"), null=True)
    hour = models.SmallIntegerField(_("hour of the site's clock"))
    count = models.SmallIntegerField(_("entries"))
    volume = TotalVolumeField(_("volume, litres"))
    amount = TotalMoneyField(_("amount"))
    tax = TotalMoneyField(_("tax"))

    class Meta:
        db_table = "correction_posting"
        constraints: ClassVar = [
            models.CheckConstraint(
                name="correction_posting_side", condition=Q(side__in=[-1, 1], count=F("side"))
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["posted_to", "site"], name="posting_posted_to"),
        ]

    def __str__(self) -> str:
        return f"{self.site_id}/{self.fiscal_day}/{self.sequence}/{self.revision}/{self.side}"
