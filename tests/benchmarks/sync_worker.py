"""The yardstick: a sync worker as one would write it first, with paho and the ORM.

A callback for each message, one `create()` each, a persistent connection, a surrogate key and a
unique constraint. Acknowledged by paho after the callback returned, so after the commit.

    python -m tests.benchmarks.sync_worker COUNT

ends after COUNT entries and prints one line of JSON.
"""

from __future__ import annotations

import json
import sys
import time
from collections import defaultdict
from typing import Any, ClassVar

import paho.mqtt.client as paho
from django.conf import settings
from django.db import connection, models
from django.utils.dateparse import parse_date, parse_datetime

from ingest.mqtt import BrokerAddress
from ingest.pulse import Meter
from ledger.models import Site
from ledger.models.fields import (
    MoneyField,
    TaxRateField,
    TotalVolumeField,
    UnitPriceField,
    VolumeField,
)
from tests.benchmarks.memory import peak_mb

CLIENT_ID = "bench-sync"


class SurrogateEntry(models.Model):
    """The entry as Django makes it by default: a surrogate key beside the business key."""

    site = models.ForeignKey(Site, on_delete=models.PROTECT)
    fiscal_day = models.DateField()
    sequence = models.IntegerField()
    kind = models.CharField(max_length=16)
    occurred_at = models.DateTimeField()
    received_at = models.DateTimeField(auto_now_add=True)
    product = models.CharField(max_length=32)
    amount = MoneyField()
    volume = VolumeField(null=True)
    volume_15c = VolumeField(null=True)
    unit_price = UnitPriceField(null=True)
    fuelling_point = models.IntegerField(null=True)
    nozzle = models.IntegerField(null=True)
    tank = models.IntegerField(null=True)
    tax_rate = TaxRateField(null=True)
    payment = models.CharField(max_length=16, null=True)
    device_transaction = models.IntegerField(null=True)
    totalizer = TotalVolumeField(null=True)
    offline = models.BooleanField(default=False)
    flags = models.IntegerField(default=0)

    class Meta:
        app_label = "benchmarks"
        db_table = "bench_surrogate_entry"
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["site", "fiscal_day", "sequence"], name="bench_surrogate_entry_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.pk}"


def make_table() -> None:
    """Make the table anew, as a migration would."""
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS bench_surrogate_entry")
    with connection.schema_editor() as editor:
        editor.create_model(SurrogateEntry)


def main(count: int) -> None:
    """Store COUNT entries and say how long it took."""
    make_table()
    sites = {site.code: site.pk for site in Site.objects.all()}
    stored = 0
    began = cpu_began = 0.0
    seconds: defaultdict[int, Meter] = defaultdict(Meter)

    def on_message(client: paho.Client, userdata: Any, message: paho.MQTTMessage) -> None:
        nonlocal stored, began, cpu_began
        received = time.perf_counter()
        if not stored:
            began, cpu_began = received, time.process_time()
        fields = json.loads(message.payload)
        fields["site_id"] = sites[message.topic.split("/")[2]]
        fields["fiscal_day"] = parse_date(fields["fiscal_day"])
        fields["occurred_at"] = parse_datetime(fields["occurred_at"])
        SurrogateEntry.objects.create(**fields)
        stored += 1
        now = time.time()
        meter = seconds[int(now)]
        meter.latencies.append(((time.perf_counter() - received) * 1000, 1))
        meter.lags.append((now - fields["occurred_at"].timestamp()) * 1000)
        if stored == count:
            client.disconnect()

    address = BrokerAddress.parse(settings.MQTT_URL)
    client = paho.Client(paho.CallbackAPIVersion.VERSION2, client_id=CLIENT_ID, clean_session=False)
    client.on_message = on_message
    client.connect(address.host, address.port)
    client.subscribe("forecourt/#", qos=1)
    client.loop_forever()
    print(
        json.dumps(
            {
                "events": stored,
                "seconds": time.perf_counter() - began,
                "cpu_seconds": time.process_time() - cpu_began,
                "peak_mb": peak_mb(),
                "pulses": [meter.row() for _, meter in sorted(seconds.items())],
            }
        )
    )


if __name__ == "__main__":
    main(int(sys.argv[1]))
