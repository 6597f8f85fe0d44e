"""What rows of guarded tables were when they were written."""

from typing import ClassVar

from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.utils.translation import gettext_lazy as _

from ledger.models.site import Site


class RowRecord(models.Model):
    """One row of a guarded table as it was written, so that a change past the guards is known.

    `key` is the row's, as a JSON array; `content` holds its columns by name, with SHA-256 digests
    of what is long, and is None once the row is gone. Where the rows of a site or of a fiscal day
    are written at once, they are one record, by their keys. `number` counts from 1 for each key,
    and `digest` covers the record and the digest of the one before.

    Invariant: never changed, deleted or truncated (the database refuses). The one writers are the
    triggers of the guarded tables (`ledger/sql/row_records.sql`).
    """

    pk = models.CompositePrimaryKey("table_name", "key", "number")
    table_name = models.CharField(_("table"), max_length=63)
    key = models.CharField(_("key"), max_length=250)
    number = models.IntegerField(_("number"))
    # A row of no site is one of an unknown site's messages, or what was decided about any message.
    site = models.ForeignKey(
        Site,
        on_delete=models.DO_NOTHING,
        db_index=False,
        db_constraint=False,
        related_name="+",
        null=True,
    )
    fiscal_day = models.DateField(_("fiscal day"), null=True)
    recorded_at = models.DateTimeField(_("recorded at"))
    content = models.JSONField(_("as it was written"), encoder=DjangoJSONEncoder, null=True)
    digest = models.BinaryField(max_length=32)

    class Meta:
        db_table = "row_record"
        indexes: ClassVar = [
            models.Index(fields=["site", "fiscal_day"], name="row_record_of_site"),
        ]

    def __str__(self) -> str:
        return f"{self.table_name} {self.key}/{self.number}"
