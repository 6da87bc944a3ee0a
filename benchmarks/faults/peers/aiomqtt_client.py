"""A plain aiomqtt publisher behind a pipe: an event a line in base64, what came of it a line in JSON.

One client for all; after an error a new one after a second, and the same event again.
"""

import asyncio
import base64
import json
import sys

import aiomqtt

_TRIES = 30


async def main() -> None:
    """Publish what comes in, over the port that was named."""
    loop, client = asyncio.get_running_loop(), None
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        said = {"settled": False}
        for _ in range(_TRIES):
            try:
                if client is None:
                    client = aiomqtt.Client("127.0.0.1", int(sys.argv[1]))
                    await client.__aenter__()
                await client.publish(sys.argv[2], base64.b64decode(line), qos=1)
                said = {"settled": True}
                break
            except aiomqtt.MqttError:
                client = None
                await asyncio.sleep(1.0)
        print(json.dumps(said), flush=True)


asyncio.run(main())
