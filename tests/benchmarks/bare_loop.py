"""A ceiling: unmodified aiomqtt that receives and acknowledges, and does nothing else.

    python -m tests.benchmarks.bare_loop PORT COUNT

ends after COUNT messages and prints one line of JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

import aiomqtt
import uvloop

from tests.benchmarks.memory import peak_mb

CLIENT_ID = "bench-bare"


async def receive(port: int, count: int) -> tuple[float, float]:
    """Receive COUNT messages. Returns seconds and CPU seconds since it connected."""
    async with aiomqtt.Client(
        "127.0.0.1", port, identifier=CLIENT_ID, clean_session=False
    ) as client:
        # From here and not from the first message that it hands on: aiomqtt reads the whole
        # backlog into its queue before it says that it is subscribed.
        began, cpu_began = time.perf_counter(), time.process_time()
        await client.subscribe("forecourt/#", qos=1, timeout=120)
        received = 0
        async for _ in client.messages:
            received += 1
            if received == count:
                break
        return time.perf_counter() - began, time.process_time() - cpu_began


def main(port: int, count: int) -> None:
    """Measure and print."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        seconds, cpu_seconds = runner.run(receive(port, count))
    print(
        json.dumps(
            {
                "events": count,
                "seconds": seconds,
                "cpu_seconds": cpu_seconds,
                "peak_mb": peak_mb(),
            }
        )
    )


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
