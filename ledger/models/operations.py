"""How the ingest is doing: what it could not take, what it moved in, and its pulse."""

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from ledger.models.site import Site


class Quarantine(models.Model):
    """A message, or one item of an array, that the ledger did not take, kept as it came.

    Invariants: nothing that arrives is dropped without a row here or in the ledger; the same
    bytes on the same topic for the same reason are one open row that counts how often they were
    `seen`, so a redelivery after a crash adds no row; what came is never changed (the database
    refuses). What people decide about it is `QuarantineDecision`, written by
    `ledger.services.quarantine`, which is the one that moves `outcome`.

    A released message is taken up by an ingest worker, which stores it like a fresh one and says
    in the same transaction what became of it: `replayed_at`, by which worker, and how many entries
    or events of it were stored, were duplicates, or were quarantined again. Those are rows of
    their own, `replay_of` this one.
    """

    class Reason(models.TextChoices):
        MALFORMED = "malformed", _("Malformed")
        INVALID = "invalid", _("Invalid value")
        CONFLICTING_DUPLICATE = "conflicting_duplicate", _("Conflicts with the ledger")
        DAY_SEALED = "day_sealed", _("The day is sealed")
        IMPLAUSIBLE_DAY = "implausible_day", _("A day that cannot be")
        UNKNOWN_SITE = "unknown_site", _("Unknown site")
        UNKNOWN_TOPIC = "unknown_topic", _("Unknown topic")
        OVERSIZE = "oversize", _("Too large")

    class Outcome(models.TextChoices):
        WAITING = "waiting", _("Waiting")
        RELEASED = "released", _("Released")
        ACCEPTED = "accepted", _("Accepted")
        REFUSED = "refused", _("Refused")
        DISMISSED = "dismissed", _("Dismissed")

    id = models.BigAutoField(primary_key=True)
    first_received_at = models.DateTimeField(_("first received at"))
    last_received_at = models.DateTimeField(_("last received at"))
    seen = models.IntegerField(_("times seen"), db_default=1)
    topic = models.TextField(_("topic"))
    site = models.ForeignKey(Site, on_delete=models.SET_NULL, null=True, related_name="quarantined")
    reason = models.CharField(_("reason"), max_length=24, choices=Reason)
    detail = models.TextField(_("exact reason"))
    item_index = models.IntegerField(_("place in the array"), null=True)
    fiscal_day = models.DateField(_("fiscal day"), null=True)
    sequence = models.IntegerField(_("sequence"), null=True)
    raw = models.BinaryField(_("bytes as received"))
    raw_size = models.IntegerField(_("size as received, bytes"))
    digest = models.BinaryField(max_length=32)
    outcome = models.CharField(
        _("outcome"), max_length=12, choices=Outcome, db_default=Outcome.WAITING
    )
    replay_of = models.ForeignKey(
        "self", on_delete=models.PROTECT, null=True, related_name="replays", db_index=False
    )
    replayed_at = models.DateTimeField(_("replayed at"), null=True)
    replayed_by = models.CharField(_("replayed by the worker"), max_length=64, null=True)
    replay_stored = models.IntegerField(_("stored from the replay"), null=True)
    replay_duplicates = models.IntegerField(_("duplicates in the replay"), null=True)
    replay_quarantined = models.IntegerField(_("quarantined from the replay"), null=True)

    class Meta:
        db_table = "quarantine"
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["digest"],
                condition=Q(outcome="waiting"),
                name="quarantine_waiting_once",
            )
        ]
        indexes: ClassVar = [
            # What workers look for every few seconds; nearly always empty.
            models.Index(
                fields=["id"],
                condition=Q(outcome="released", replayed_at=None),
                name="quarantine_to_replay",
            ),
            models.Index(
                fields=["replay_of"],
                condition=Q(replay_of__isnull=False),
                name="quarantine_replay_of",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.pk} {self.reason}"

    @property
    def is_complete(self) -> bool:
        """Whether all bytes were kept: of what is too large only the first are."""
        return self.raw_size <= len(self.raw)

    @property
    def awaits_replay(self) -> bool:
        """Whether it is released and no worker has taken it up yet."""
        return self.outcome == self.Outcome.RELEASED and self.replayed_at is None


class QuarantineDecision(models.Model):
    """What a person decided about a quarantined message; `number` counts from 1 for each.

    `payload` are the mended bytes that a worker is to take in place of those that came, None
    where they are as they came. `revision` is the correction that an accepted one became.

    Invariant: never changed or deleted (the database refuses).
    """

    class Action(models.TextChoices):
        REPLAY = "replay", _("Replayed")
        MEND = "mend", _("Mended and replayed")
        ADMIT = "admit", _("Day accepted and replayed")
        ACCEPT = "accept", _("Accepted")
        REFUSE = "refuse", _("Refused")
        DISMISS = "dismiss", _("Dismissed")

    pk = models.CompositePrimaryKey("quarantine_id", "number")
    # No constraint: its rows are never deleted, and a decision is written under the row's lock.
    quarantine = models.ForeignKey(
        Quarantine,
        on_delete=models.PROTECT,
        db_index=False,
        db_constraint=False,
        related_name="decisions",
    )
    number = models.SmallIntegerField(_("number"))
    action = models.CharField(_("action"), max_length=8, choices=Action)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, db_index=False, related_name="+"
    )
    decided_at = models.DateTimeField(_("decided at"))
    note = models.CharField(_("note"), max_length=500, blank=True)
    payload = models.BinaryField(_("mended bytes"), null=True)
    revision = models.SmallIntegerField(_("revision of the entry"), null=True)

    class Meta:
        db_table = "quarantine_decision"

    def __str__(self) -> str:
        return f"{self.quarantine_id}/{self.number} {self.action}"


class Adoption(models.Model):
    """How far a table of the old shape has been moved into the ledger (`manage.py adopt_ledger`).

    Invariants: written in the transactions that move the rows, so it says exactly how far they
    are: all with a key up to `last_key` (its columns as texts) are in the ledger or in quarantine,
    `rows` of them, of which `stored` became entries, `duplicates` were there already and
    `quarantined` wait for staff. `mapping` holds the columns and constants that it was begun with
    and has to go on with.
    """

    source = models.CharField(_("table or view"), max_length=130, primary_key=True)
    last_key = models.JSONField(_("key of the last row, each column as text"), null=True)
    mapping = models.JSONField(_("columns and constants that it was begun with"), db_default={})
    rows = models.BigIntegerField(_("rows read"), db_default=0)
    stored = models.BigIntegerField(_("entries stored"), db_default=0)
    duplicates = models.BigIntegerField(_("duplicates"), db_default=0)
    quarantined = models.BigIntegerField(_("quarantined"), db_default=0)
    started_at = models.DateTimeField(_("started at"), db_default=Now())
    verified_at = models.DateTimeField(_("last verified without a difference"), null=True)

    class Meta:
        db_table = "adoption"

    def __str__(self) -> str:
        return self.source


class Pulse(models.Model):
    """One second of one ingest worker.

    Counts are of that second. Latency runs from receipt to commit, lag from occurrence to
    commit; both in milliseconds, None when nothing was committed in that second. `late` counts the
    entries that were late at receipt (resent, stored and forwarded, replayed), whose lag is apart.
    `backlog` is how many messages the worker held at its end.
    """

    pk = models.CompositePrimaryKey("at", "worker")
    at = models.DateTimeField(_("second"))
    worker = models.CharField(_("worker"), max_length=64)
    received = models.IntegerField(_("messages received"))
    stored = models.IntegerField(_("entries stored"))
    duplicates = models.IntegerField(_("duplicates"))
    quarantined = models.IntegerField(_("quarantined"))
    late = models.IntegerField(_("late entries"), db_default=0)
    live = models.IntegerField(_("live messages"))
    live_written = models.IntegerField(_("live states written"))
    batches = models.IntegerField(_("batches"))
    backlog = models.IntegerField(_("messages held"))
    latency_ms_p50 = models.FloatField(null=True)
    latency_ms_p95 = models.FloatField(null=True)
    latency_ms_p99 = models.FloatField(null=True)
    latency_ms_max = models.FloatField(null=True)
    lag_ms_p50 = models.FloatField(null=True)
    lag_ms_p99 = models.FloatField(null=True)
    late_lag_ms_p50 = models.FloatField(null=True)
    late_lag_ms_p99 = models.FloatField(null=True)

    class Meta:
        db_table = "pulse"

    def __str__(self) -> str:
        return f"{self.at} {self.worker}"


class IngestWorker(models.Model):
    """An ingest worker by its name: how it was when it last reported, and when what last happened.

    Written with each pulse. `reported_at` is the last report; each `last_..._at` is the last
    second in which there was any (None: never), so that nobody has to look for it in days of
    pulses. `connected_at` is the last report with a connection to the broker. Where the broker had
    forgotten the worker's session, `session_lost_at` is when the worker found out,
    `session_lost_since` from when on messages may be lost, and `sites_asked` how many sites it
    asked to send them again. `backlog` is how many messages it held. `standby_at` is when another
    process of the same name last said that it stands by. A worker stands still while it tries to
    commit one and the same batch for longer than a few seconds.
    """

    class State(models.TextChoices):
        CONNECTED = "connected", _("Connected to the broker")
        DISCONNECTED = "disconnected", _("Without the broker")
        STANDING_STILL = "standing_still", _("Standing still")
        STOPPED = "stopped", _("Stopped as asked")

    name = models.CharField(_("name"), max_length=64, primary_key=True)
    host = models.CharField(_("host"), max_length=255)
    process_id = models.IntegerField(_("process id"))
    started_at = models.DateTimeField(_("started at"))
    reported_at = models.DateTimeField(_("reported at"))
    state = models.CharField(_("state"), max_length=16, choices=State)
    state_since = models.DateTimeField(_("state since"))
    backlog = models.IntegerField(_("messages held"))
    last_received_at = models.DateTimeField(_("last message received at"), null=True)
    last_committed_at = models.DateTimeField(_("last batch committed at"), null=True)
    last_stored_at = models.DateTimeField(_("last entry stored at"), null=True)
    last_duplicate_at = models.DateTimeField(_("last duplicate at"), null=True)
    last_quarantined_at = models.DateTimeField(_("last quarantined at"), null=True)
    standby_at = models.DateTimeField(_("another stood by at"), null=True)
    connected_at = models.DateTimeField(_("last connected to the broker at"), null=True)
    session_lost_at = models.DateTimeField(_("found its session lost at the broker at"), null=True)
    session_lost_since = models.DateTimeField(_("what came since may not have arrived"), null=True)
    sites_asked = models.IntegerField(_("sites asked to send it again"), null=True)

    class Meta:
        db_table = "ingest_worker"

    def __str__(self) -> str:
        return self.name
