"""A site's controller as an integrator would write it, and waiting for what a worker stores."""

from __future__ import annotations

import datetime
import json
import time
from typing import Any

import paho.mqtt.client as paho
import psycopg
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from tests.conftest import BrokerAddress

TODAY = datetime.datetime.now(datetime.UTC).date().isoformat()
WAIT_S = 20


class Controller:
    """The site's side of the line; it keeps what it sold, and answers when it is asked for it."""

    def __init__(self, broker: BrokerAddress, code: str) -> None:
        self._root = f"forecourt/v1/{code}"
        self.commands: list[dict[str, Any]] = []
        self.is_deaf = False
        self._sold: dict[int, dict[str, Any]] = {}
        self._client = paho.Client(CallbackAPIVersion.VERSION2)
        self._client.on_message = self._on_message
        self._client.connect("127.0.0.1", broker.port)
        self._client.subscribe(f"{self._root}/commands", qos=1)
        self._client.loop_start()

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def say(self, lane: str, **message: Any) -> None:
        """Publish, and return once the broker has it."""
        is_live = "/" in lane
        at = datetime.datetime.now(datetime.UTC).isoformat()
        self._publish(lane, {"at": at} | message, retain=is_live or lane == "status")

    def pump(self, number: int, state: str, **message: Any) -> None:
        self.say(f"pumps/{number}", state=state, **message)

    def sell(self, sequence: int, *, is_lost: bool = False, **changes: Any) -> None:
        """Number a sale and publish it, unless it gets lost on the way."""
        self._sold[sequence] = {
            "fiscal_day": TODAY,
            "sequence": sequence,
            "kind": "sale",
            "occurred_at": datetime.datetime.now(datetime.UTC).isoformat(),
            "product": "E10",
            "amount": "59.16",
            "volume": "40.000",
            "unit_price": "1.4790",
            "fuelling_point": 1,
            "nozzle": 1,
            "tank": 1,
        } | changes
        if not is_lost:
            self._publish("ledger", self._sold[sequence])

    def forget(self, sequence: int) -> None:
        """Lose a sale for good, as a disk that fails does."""
        del self._sold[sequence]

    def _on_message(self, client: Any, userdata: Any, message: Any) -> None:
        command = json.loads(message.payload)
        self.commands.append(command)
        if self.is_deaf:
            return
        for first, last in command["ranges"]:
            for sequence in range(first, last + 1):
                if sequence in self._sold:
                    # Not waited for: this is the thread that would hear the acknowledgement.
                    payload = json.dumps(self._sold[sequence])
                    self._client.publish(f"{self._root}/ledger", payload, qos=1)

    def _publish(self, lane: str, message: dict[str, Any], *, retain: bool = False) -> None:
        payload = json.dumps(message)
        sent = self._client.publish(f"{self._root}/{lane}", payload, qos=1, retain=retain)
        sent.wait_for_publish(WAIT_S)
        assert sent.is_published()


def until(database_url: str, question: str, answer: Any) -> None:
    """Return once the query's value is the answer; the worker rings when it may be."""
    value = None
    deadline = time.monotonic() + WAIT_S
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("LISTEN ledger_changes")
        while time.monotonic() < deadline:
            row = connection.execute(question).fetchone()
            if (value := row and row[0]) == answer:
                return
            for _ in connection.notifies(timeout=1, stop_after=1):
                pass
    pytest.fail(f"{question!r} is {value!r}, not {answer!r}")
