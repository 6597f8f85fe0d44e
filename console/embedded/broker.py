"""The embedded MQTT broker: rumqttd from a wheel (`iotcore`), in a child process.

MQTT 3.1.1, persistent sessions, redelivery of what was not acknowledged; but nothing survives its
restart, there is no access control, and it sends a worker no more than 100 messages ahead of
their acknowledgement (a constant of rumqttd's that no option changes), so that batches stay small.
So it serves demos, development and tests; production brings its own broker and sets MQTT_URL.

    python -m console.embedded.broker 1883
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

LISTEN = "127.0.0.1"
#: Above the contract's limit, so that the worker sees an oversized payload and can say so.
PAYLOAD_BYTES_MAX = 8 * 1024 * 1024
#: rumqttd does not tell when it listens, so its port is tried this often.
_READY_POLL_SECONDS = 0.02


@contextlib.contextmanager
def running_broker(port: int, *, listen: str = LISTEN) -> Iterator[None]:
    """Run the broker on a port while the context is open. OSError if the port is taken."""
    from iotcore import Broker

    with Broker(port=port, listen=listen, max_payload_size=PAYLOAD_BYTES_MAX):
        yield


async def broker_listens(port: int, *, host: str = LISTEN) -> None:
    """Return once the broker accepts connections."""
    while True:
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection(host, port)
            writer.close()
            return
        await asyncio.sleep(_READY_POLL_SECONDS)


def serve(port: int) -> None:
    """Be the broker, until this process is ended."""
    from iotcore import IotCoreBroker

    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    # rumqttd opens an error-level span for each packet: none of them is an error.
    logging.getLogger("rumqttd").setLevel(logging.CRITICAL)
    IotCoreBroker(listen=LISTEN, port=port, max_payload_size=PAYLOAD_BYTES_MAX).run_forever()


if __name__ == "__main__":
    serve(int(sys.argv[1]))
