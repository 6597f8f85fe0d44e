"""What is kept about the sealing of a fiscal day: explained differences, and what was sealed."""

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from ledger.models.site import Site


class Explanation(models.Model):
    """Why a difference of a fiscal day is as it is, by somebody who looked into it.

    `subject` and `key` say which difference: a product, a nozzle (`3/1`), a tank, or the missing
    entries. `difference` is that difference as it was then, in the canonical text of
    `ledger.selectors.reconciliation`: once it is another one, this explains it no more. `number`
    counts from 1 in each day.

    Invariant: never changed, deleted or truncated, and none is added to a sealed day (the database
    refuses). The one writer is `ledger.services.sealing`.
    """

    class Subject(models.TextChoices):
        MISSING = "missing", _("Missing entries")
        DECLARATION = "declaration", _("No declaration by the site")
        PRODUCT = "product", _("Declared and recorded turnover")
        NOZZLE = "nozzle", _("Totalizer")
        TANK = "tank", _("Wet stock of the day")
        TANK_MONTH = "tank_month", _("Wet stock of the month so far")

    class Reason(models.TextChoices):
        NOT_SENT = "not_sent", _("The site can no longer send it")
        CORRECTED = "corrected", _("Corrections account for it")
        SITE_WRONG = "site_wrong", _("The site declared it wrongly")
        METER = "meter", _("A meter was exchanged, reset or is out of true")
        GAUGE = "gauge", _("The tank gauge is out of true or failed")
        DELIVERY = "delivery", _("A delivery was short, or not reported")
        TEMPERATURE = "temperature", _("Temperature and evaporation")
        TEST = "test", _("A pump test was not recorded")
        OTHER = "other", _("Other, see the note")

    pk = models.CompositePrimaryKey("site_id", "fiscal_day", "number")
    site = models.ForeignKey(
        Site, on_delete=models.PROTECT, db_index=False, related_name="explanations"
    )
    fiscal_day = models.DateField(_("fiscal day"))
    number = models.SmallIntegerField(_("number"))
    subject = models.CharField(_("what differs"), max_length=16, choices=Subject)
    key = models.CharField(_("of which"), max_length=32, blank=True)
    difference = models.CharField(_("difference"), max_length=120)
    reason = models.CharField(_("reason"), max_length=16, choices=Reason)
    note = models.CharField(_("note"), max_length=500, blank=True)
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, db_index=False, related_name="+"
    )
    at = models.DateTimeField(_("at"))

    class Meta:
        db_table = "explanation"
        verbose_name = _("explanation")
        verbose_name_plural = _("explanations")
        constraints: ClassVar = [
            models.CheckConstraint(name="explanation_number", condition=models.Q(number__gte=1)),
        ]

    def __str__(self) -> str:
        return f"{self.site_id}/{self.fiscal_day}/{self.number}"


class DaySeal(models.Model):
    """What a seal was made over: the sealed document, and where each entry stood in it.

    The seal of the day is the SHA-256 of `document` (UTF-8), whose form `ledger.canonical` writes
    down. It holds all that was sealed but for the entries, of which it holds count and digest; and
    how the site was set up then, which stands nowhere else.
    `entry_marks` has 8 bytes for each entry, in order: its sequence, and the first 4 bytes of the
    SHA-256 of its line. They name the entry that was tampered with once the digest says that one
    was.
    `signature` is made over the seal, its number and site, and the head that the audit trail had
    then (`trail_number`, `trail_digest`), with the private key `key_id`: see `ledger.signing`.
    What was sealed before there were signatures has none.

    Invariant: written once, with the seal, and never changed, deleted or truncated (the database
    refuses).
    """

    pk = models.CompositePrimaryKey("site_id", "fiscal_day")
    site = models.ForeignKey(Site, on_delete=models.PROTECT, db_index=False, related_name="+")
    fiscal_day = models.DateField(_("fiscal day"))
    document = models.TextField(_("sealed document"))
    entry_marks = models.BinaryField(_("marks of the entries"))
    trail_number = models.BigIntegerField(_("events in the audit trail"), null=True)
    trail_digest = models.BinaryField(max_length=32, null=True)
    key_id = models.CharField(_("key"), max_length=64, blank=True, db_default="")
    signature = models.BinaryField(max_length=64, null=True)

    class Meta:
        db_table = "day_seal"
        constraints: ClassVar = [
            models.CheckConstraint(
                name="day_seal_signature_whole",
                condition=models.Q(trail_number=None, trail_digest=None, key_id="", signature=None)
                | models.Q(
                    trail_number__gte=0, trail_digest__isnull=False, signature__isnull=False
                ),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.site_id}/{self.fiscal_day}"
