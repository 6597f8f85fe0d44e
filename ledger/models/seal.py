"""Sealing: what was explained, who proposed, and the seal that chains a site's days."""

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from ledger.models.fields import TotalMoneyField
from ledger.models.site import Site


def _person(**options: object) -> models.ForeignKey:
    return models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        db_index=False,
        related_name="+",
        **options,  # type: ignore[arg-type]
    )


class Explanation(models.Model):
    """Why a difference of a fiscal day is as it is, in somebody's words.

    `subject` names the difference: `missing`, `product:E10`, `nozzle:3/1`, `tank:2`,
    `undeclared`. `difference` is what was explained, in canonical words; once the difference is
    another one, it is not explained any more. `number` counts the day's explanations.

    Invariant: written once and never changed (the database refuses); the last one of a subject
    counts.
    """

    class Reason(models.TextChoices):
        METER = "meter", _("Meter replaced, repaired or calibrated")
        TEMPERATURE = "temperature", _("Temperature or evaporation")
        DELIVERY = "delivery", _("Delivery booked late or short")
        THEFT = "theft", _("Theft or leak, reported")
        CONTROLLER = "controller", _("Controller failed or was replaced")
        PAPER = "paper", _("Kept on paper")
        OTHER = "other", _("Other, see the note")

    pk = models.CompositePrimaryKey("site_id", "fiscal_day", "number")
    site = models.ForeignKey(
        Site, on_delete=models.PROTECT, db_index=False, related_name="explanations"
    )
    fiscal_day = models.DateField(_("fiscal day"))
    number = models.SmallIntegerField(_("number"))
    subject = models.CharField(_("difference"), max_length=64)
    difference = models.CharField(_("as it was"), max_length=200)
    reason = models.CharField(_("reason"), max_length=16, choices=Reason)
    note = models.CharField(_("note"), max_length=500, blank=True)
    author = _person()
    explained_at = models.DateTimeField(_("explained at"))

    class Meta:
        db_table = "explanation"
        verbose_name = _("explanation")
        verbose_name_plural = _("explanations")

    def __str__(self) -> str:
        return f"{self.site_id}/{self.fiscal_day}/{self.number} {self.subject}"


class SealProposal(models.Model):
    """Somebody has gone through a closed day and asks a second person to seal it.

    `digest` is that of the day's body as they saw it (`ledger.canonical`): a day that changed
    since has to be proposed anew. A newer proposal takes the place of the older one.
    """

    pk = models.CompositePrimaryKey("site_id", "fiscal_day")
    site = models.ForeignKey(Site, on_delete=models.PROTECT, db_index=False, related_name="+")
    fiscal_day = models.DateField(_("fiscal day"))
    proposed_by = _person()
    proposed_at = models.DateTimeField(_("proposed at"))
    note = models.CharField(_("note"), max_length=500, blank=True)
    digest = models.BinaryField(max_length=32)

    class Meta:
        db_table = "seal_proposal"

    def __str__(self) -> str:
        return f"{self.site_id}/{self.fiscal_day}"


class DaySeal(models.Model):
    """The seal of a fiscal day: SHA-256 over `document`, which names the seal before it.

    `document` is the canonical form of the day (`ledger.canonical` says how it is made), of which
    only the entries are left out: it holds their count and their digest. `entry_marks` holds for
    each entry 8 bytes, in order: its sequence, and the first 4 bytes of the SHA-256 of its line.
    They tell which entry was tampered with when the digest says that one was. `z_number` counts
    the site's seals from 1, `perpetual_total` is the turnover of all its sealed days.

    Invariants: days of a site are sealed in their order; who proposed is not who sealed; never
    changed or deleted (the database refuses), and the sealed fiscal day is neither.
    """

    pk = models.CompositePrimaryKey("site_id", "fiscal_day")
    site = models.ForeignKey(Site, on_delete=models.PROTECT, db_index=False, related_name="seals")
    fiscal_day = models.DateField(_("fiscal day"))
    z_number = models.IntegerField(_("Z number"))
    seal = models.BinaryField(max_length=32)
    previous_seal = models.BinaryField(max_length=32)
    turnover = TotalMoneyField(_("turnover of the day"))
    perpetual_total = TotalMoneyField(_("perpetual total"))
    document = models.TextField()
    entry_marks = models.BinaryField()
    proposed_by = _person()
    proposed_at = models.DateTimeField(_("proposed at"))
    sealed_by = _person()
    sealed_at = models.DateTimeField(_("sealed at"))

    class Meta:
        db_table = "day_seal"
        verbose_name = _("seal")
        verbose_name_plural = _("seals")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["site", "z_number"], name="day_seal_z_number"),
            models.CheckConstraint(
                name="day_seal_four_eyes",
                condition=~models.Q(proposed_by=models.F("sealed_by")),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.site_id}/{self.fiscal_day} Z {self.z_number}"

    @property
    def short(self) -> str:
        """The seal's first 12 hexadecimal digits, as people compare them."""
        return bytes(self.seal).hex()[:12]
