"""One examination, recorded twice: over the serial line and as files. The screens are told the same."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import aiomqtt

from drivers.simulator import SIMULATOR
from gateway.formats import study_json
from gateway.sinks.broker import BrokerAddress
from tests.end_to_end.conftest import DEADLINE_S, PERFORMED_AT, House, listening

FOLDER = 'type = "dicom_folder"\ncart = "cart-b"\npoll_s = 0.02\nsettle_s = 0.1'
STUDY = SIMULATOR.study("block-forearm", seed=7, performed_at=PERFORMED_AT)


def last_assessment(seen: Sequence[aiomqtt.Message], cart: str) -> dict[str, Any]:
    """The last assessment under the prefix of `cart`, without what names the study."""
    found = [
        json.loads(bytes(message.payload))["data"]  # type: ignore[arg-type]
        for message in seen
        if message.topic.matches(f"emg/v1/lab1/{cart}/study/+/assessment") and message.payload
    ]
    return {name: part for name, part in found[-1].items() if name != "study_id"} if found else {}


async def test_a_line_and_files_give_the_same_assessment(
    house: House, broker: BrokerAddress, tmp_path: Path
) -> None:
    house.folder_driver, house.broker = FOLDER, f"{broker.host}:{broker.port}"
    document = tmp_path / "study.json"
    document.write_bytes(study_json.encode(STUDY))
    async with listening(broker.host, broker.port) as seen:
        await house.daemon()
        export = await house.start("simulate", str(document), "--protocol", "dicom", "--to", str(house.inbox))
        assert await house.play(STUDY) == 0
        assert await export.wait() == 0
        complete = len(STUDY.recordings)
        await house.until(
            lambda: all(
                len(last_assessment(seen, cart).get("recordings", ())) == complete
                for cart in ("cart-a", "cart-b")
            ),
            f"both assessments within {DEADLINE_S} s",
        )

    by_line, by_files = last_assessment(seen, "cart-a"), last_assessment(seen, "cart-b")
    assert by_line == by_files
    assert by_line["mmn"]["support"] == "definite"
