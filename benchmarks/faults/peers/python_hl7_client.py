"""python-hl7's MLLP client behind a pipe: a message a line in base64, what came of it a line in JSON.

One connection for all, as its documentation shows; after an error a new one a second later, and the
same message again.
The library returns what it read. As in its documentation nobody compares MSA-2; MSA-1 is looked at.
"""

import base64
import json
import sys
import time

import hl7
from hl7.client import MLLPClient

_TRIES = 30


def main() -> None:
    """Send what comes in, to the port that was named."""
    client = None
    for line in sys.stdin:
        said = {"settled": False}
        for _ in range(_TRIES):
            try:
                client = client or MLLPClient("127.0.0.1", int(sys.argv[1]))
                answer = hl7.parse(client.send_message(base64.b64decode(line)).decode().strip("\x0b\x1c\r"))
                said = {"settled": str(answer.segment("MSA")[1]) == "AA"}
                break
            except Exception:  # noqa: BLE001  # whatever it raises, a caller can only begin again
                if client is not None:
                    client.close()
                client = None
                time.sleep(1.0)
        print(json.dumps(said), flush=True)


main()
