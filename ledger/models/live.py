"""What is true on the forecourt now (the newest wins), and the events that are not sales."""

import datetime

from django.conf import settings
from django.db import models
from django.db.models.functions import Least
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from ledger.models.fields import (
    MoneyField,
    TemperatureField,
    TotalVolumeField,
    UnitPriceField,
    VolumeField,
)
from ledger.models.site import Site

#: When something happened as far as its own clock can be believed: what was received has happened.
#: For queries over `TankState` and `Alarm`, whose rows know it as `credible_at`.
CREDIBLE_AT = Least("at", "received_at")


class SiteStatus(models.Model):
    """Whether a site's controller is online, and when anything was last heard from the site.

    The status received last wins, at `received_at`; `online` is None while none is known, or after
    the site had it forgotten.
    """

    site = models.OneToOneField(
        Site, on_delete=models.CASCADE, primary_key=True, related_name="status"
    )
    online = models.BooleanField(_("online"), null=True)
    controller = models.CharField(_("controller"), max_length=80, blank=True, db_default="")
    at = models.DateTimeField(_("status declared at"), null=True)
    since = models.DateTimeField(_("online or offline since"), null=True)
    last_heard_at = models.DateTimeField(_("last heard at"), null=True)
    received_at = models.DateTimeField(_("status received at"), null=True)

    class Meta:
        db_table = "site_status"

    def __str__(self) -> str:
        return f"{self.site_id}"


class PumpState(models.Model):
    """The newest state of a fuelling point (IFSF states, and offline: it runs stand-alone).

    `since` is when the present state began, never later than its receipt; `volume` and `amount`
    run while it is fuelling. No row means that nothing is known, or that the site had it forgotten.
    """

    class State(models.TextChoices):
        INOPERATIVE = "inoperative", _("Inoperative")
        CLOSED = "closed", _("Closed")
        IDLE = "idle", _("Idle")
        CALLING = "calling", _("Calling")
        AUTHORISED = "authorised", _("Authorised")
        STARTED = "started", _("Started")
        SUSPENDED_STARTED = "suspended_started", _("Suspended before fuelling")
        FUELLING = "fuelling", _("Fuelling")
        SUSPENDED_FUELLING = "suspended_fuelling", _("Suspended")
        OFFLINE = "offline", _("Offline")

    pk = models.CompositePrimaryKey("site_id", "fuelling_point")
    site = models.ForeignKey(
        Site, on_delete=models.CASCADE, db_index=False, related_name="pump_states"
    )
    fuelling_point = models.SmallIntegerField(_("fuelling point"))
    state = models.CharField(_("state"), max_length=20, choices=State)
    since = models.DateTimeField(_("in this state since"))
    at = models.DateTimeField(_("declared at"))
    received_at = models.DateTimeField(_("received at"))
    nozzle = models.SmallIntegerField(_("nozzle"), null=True)
    product = models.CharField(_("product"), max_length=32, null=True)
    volume = VolumeField(_("volume, litres"), null=True)
    amount = MoneyField(_("amount"), null=True)
    unit_price = UnitPriceField(_("price a litre"), null=True)

    class Meta:
        db_table = "pump_state"

    def __str__(self) -> str:
        return f"{self.site_id}/{self.fuelling_point}"


class NozzleState(models.Model):
    """The newest entry that a nozzle wrote: its last sale and where its meter stands.

    Newest is by (fiscal_day, sequence). `occurred_at` is no later than its receipt. Maintained by
    the statement that inserts the entries.
    """

    pk = models.CompositePrimaryKey("site_id", "fuelling_point", "nozzle")
    site = models.ForeignKey(
        Site, on_delete=models.CASCADE, db_index=False, related_name="nozzle_states"
    )
    fuelling_point = models.SmallIntegerField(_("fuelling point"))
    nozzle = models.SmallIntegerField(_("nozzle"))
    fiscal_day = models.DateField(_("fiscal day"))
    sequence = models.IntegerField(_("sequence"))
    occurred_at = models.DateTimeField(_("occurred at"))
    product = models.CharField(_("product"), max_length=32)
    volume = VolumeField(_("volume, litres"), null=True)
    amount = MoneyField(_("amount"))
    totalizer = TotalVolumeField(_("totalizer, litres"), null=True)

    class Meta:
        db_table = "nozzle_state"

    def __str__(self) -> str:
        return f"{self.site_id}/{self.fuelling_point}/{self.nozzle}"


class TankState(models.Model):
    """The newest gauge reading of a tank. Volumes in litres; a value the gauge lacks is None.

    `low_since` is when the first of the readings below the low mark was taken that go on until
    this one; None while the newest is not low.
    """

    pk = models.CompositePrimaryKey("site_id", "tank")
    site = models.ForeignKey(
        Site, on_delete=models.CASCADE, db_index=False, related_name="tank_states"
    )
    tank = models.SmallIntegerField(_("tank"))
    at = models.DateTimeField(_("measured at"))
    received_at = models.DateTimeField(_("received at"))
    product = models.CharField(_("product"), max_length=32, null=True)
    volume = TotalVolumeField(_("volume, litres"), null=True)
    ullage = TotalVolumeField(_("ullage, litres"), null=True)
    capacity = TotalVolumeField(_("capacity, litres"), null=True)
    water = TotalVolumeField(_("water, litres"), null=True)
    temperature = TemperatureField(_("temperature, Celsius"), null=True)
    status = models.CharField(_("gauge status"), max_length=16, null=True)
    alarms = models.JSONField(_("alarms the gauge reports"), default=list)
    low_since = models.DateTimeField(_("below the low mark since"), null=True)

    class Meta:
        db_table = "tank_state"

    def __str__(self) -> str:
        return f"{self.site_id}/{self.tank}"

    @property
    def credible_at(self) -> datetime.datetime:
        """When it was measured as far as that can be believed: never later than its receipt."""
        return min(self.at, self.received_at)


class AlarmEvent(models.Model):
    """An alarm started, finished or was detected: the log as the site sent it."""

    class State(models.TextChoices):
        STARTED = "started", _("Started")
        FINISHED = "finished", _("Finished")
        DETECTED = "detected", _("Detected")

    pk = models.CompositePrimaryKey("site_id", "device", "number", "code", "at", "state")
    site = models.ForeignKey(
        Site, on_delete=models.PROTECT, db_index=False, related_name="alarm_events"
    )
    device = models.CharField(_("device"), max_length=32)
    number = models.IntegerField(_("number"))
    code = models.CharField(_("code"), max_length=64)
    at = models.DateTimeField(_("at"))
    state = models.CharField(_("state"), max_length=8, choices=State)
    severity = models.CharField(_("severity"), max_length=16, blank=True)
    text = models.CharField(_("text"), max_length=500, blank=True)
    received_at = models.DateTimeField(_("received at"))

    class Meta:
        db_table = "alarm_event"

    def __str__(self) -> str:
        return f"{self.site_id}/{self.device}/{self.number}/{self.code}"


class Alarm(models.Model):
    """Where each alarm of a device stands now; the newest event wins."""

    pk = models.CompositePrimaryKey("site_id", "device", "number", "code")
    site = models.ForeignKey(Site, on_delete=models.CASCADE, db_index=False, related_name="alarms")
    device = models.CharField(_("device"), max_length=32)
    number = models.IntegerField(_("number"))
    code = models.CharField(_("code"), max_length=64)
    state = models.CharField(_("state"), max_length=8, choices=AlarmEvent.State)
    at = models.DateTimeField(_("at"))
    severity = models.CharField(_("severity"), max_length=16, blank=True)
    text = models.CharField(_("text"), max_length=500, blank=True)
    received_at = models.DateTimeField(_("received at"), default=timezone.now)

    class Meta:
        db_table = "alarm"

    def __str__(self) -> str:
        return f"{self.site_id}/{self.device}/{self.number}/{self.code}"

    @property
    def credible_at(self) -> datetime.datetime:
        """When it happened as far as that can be believed: never later than its receipt."""
        return min(self.at, self.received_at)


class AlarmAcknowledgement(models.Model):
    """Somebody has taken note of an alarm: of this start of it, `at`, and of no other.

    Invariants: written once and never changed, so the first who took note stays on record; an
    alarm that starts again has no row here and asks for attention anew.
    """

    pk = models.CompositePrimaryKey("site_id", "device", "number", "code", "at")
    site = models.ForeignKey(
        Site, on_delete=models.PROTECT, db_index=False, related_name="alarm_acknowledgements"
    )
    device = models.CharField(_("device"), max_length=32)
    number = models.IntegerField(_("number"))
    code = models.CharField(_("code"), max_length=64)
    at = models.DateTimeField(_("alarm started at"))
    acknowledged_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, db_index=False, related_name="+"
    )
    acknowledged_at = models.DateTimeField(_("acknowledged at"))

    class Meta:
        db_table = "alarm_acknowledgement"

    def __str__(self) -> str:
        return f"{self.site_id}/{self.device}/{self.number}/{self.code}"


class Delivery(models.Model):
    """A tanker drop into one tank, in litres at the tank's conditions and at 15 degrees.

    It belongs to the site's fiscal day that was opened last before it, if that was still open then
    (`ledger/sql/day_deliveries.sql`). The seal of a day writes the day into those that it counts;
    one that is heard of later stays without, for what was sealed stays.

    Invariants, kept by the database: never changed, deleted or truncated, but that `fiscal_day` is
    written once. The writers are the ingest worker and, of `fiscal_day`,
    `ledger.services.sealing`.
    """

    pk = models.CompositePrimaryKey("site_id", "tank", "at")
    site = models.ForeignKey(
        Site, on_delete=models.PROTECT, db_index=False, related_name="deliveries"
    )
    tank = models.SmallIntegerField(_("tank"))
    at = models.DateTimeField(_("at"))
    product = models.CharField(_("product"), max_length=32)
    volume = TotalVolumeField(_("volume, litres"))
    volume_15c = TotalVolumeField(_("volume at 15 degrees, litres"), null=True)
    document = models.CharField(_("document"), max_length=80, blank=True)
    received_at = models.DateTimeField(_("received at"))
    fiscal_day = models.DateField(_("sealed fiscal day that it counts for"), null=True)

    class Meta:
        db_table = "delivery"

    def __str__(self) -> str:
        return f"{self.site_id}/{self.tank}/{self.at}"
