"""What the console asks of a site: an outbox that the ingest worker empties over MQTT."""

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from ledger.models.site import Site


class Command(models.Model):
    """One message to a site, written by the console and published by a worker.

    A `seal` tells the site the seal of the fiscal day, so that a copy lies outside the database;
    what it says is read from the day as it is sent. For a `resend`, `ranges` are inclusive pairs
    of sequence numbers and `asked_count` is how many numbers they name.
    A request that is too long for one message is several rows of one `requested_at`. A
    `resend_since` asks for all that the site holds of the fiscal day and later. A worker asks so
    by itself (`requested_by` is None) when the broker lost what it had kept; it is sent once the
    site was heard after that, since a site that is not there would not get it.

    Invariants: who asked and when never changes; `sent_at` is set once, by the worker that holds
    the row's lock, after the broker has acknowledged the message. A row is never deleted.
    """

    class Kind(models.TextChoices):
        RESEND = "resend", _("Send entries again")
        RESEND_SINCE = "resend_since", _("Send all since a day again")
        SEAL = "seal", _("Keep the seal of a day")

    id = models.BigAutoField(primary_key=True)
    site = models.ForeignKey(
        Site, on_delete=models.PROTECT, db_index=False, related_name="commands"
    )
    kind = models.CharField(_("kind"), max_length=16, choices=Kind)
    fiscal_day = models.DateField(_("fiscal day"))
    ranges = models.JSONField(_("sequence numbers asked for"))
    asked_count = models.BigIntegerField(_("how many are asked for"))
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        db_index=False,
        related_name="+",
        null=True,
    )
    requested_at = models.DateTimeField(_("requested at"))
    sent_at = models.DateTimeField(_("sent at"), null=True)
    sent_by = models.CharField(_("sent by the worker"), max_length=64, blank=True, db_default="")

    class Meta:
        db_table = "command"
        verbose_name = _("command")
        verbose_name_plural = _("commands")
        indexes: ClassVar = [
            models.Index(fields=["site", "fiscal_day", "requested_at"], name="command_of_day"),
            # What workers look for: almost always empty, whatever the table grows to.
            models.Index(fields=["id"], condition=models.Q(sent_at=None), name="command_waiting"),
        ]

    def __str__(self) -> str:
        return f"{self.site_id}/{self.fiscal_day} {self.kind}"
