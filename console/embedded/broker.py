"""The embedded MQTT broker: rumqttd from a wheel (`iotcore`), in a child process.

MQTT 3.1.1, persistent sessions, redelivery of what was not acknowledged; but nothing survives its
restart and there is no access control. So it serves demos, development and tests; production
brings its own broker and sets MQTT_URL.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

#: How many QoS 1 messages the broker sends before it waits for acknowledgements.
INFLIGHT_MESSAGES_MAX = 10_000
#: Above the contract's limit, so that the worker sees an oversized payload and can say so.
PAYLOAD_BYTES_MAX = 8 * 1024 * 1024


@contextlib.contextmanager
def running_broker(port: int, *, listen: str = "127.0.0.1") -> Iterator[None]:
    """Run the broker on a port while the context is open. OSError if the port is taken."""
    from iotcore import Broker

    broker = Broker(
        port=port,
        listen=listen,
        max_inflight_count=INFLIGHT_MESSAGES_MAX,
        max_payload_size=PAYLOAD_BYTES_MAX,
    )
    with broker:
        yield
