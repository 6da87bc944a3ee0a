"""A patient who is easy to find goes through the whole gateway: name, id and birth date reach HL7 only."""

import asyncio
import base64
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import aiomqtt

from drivers.simulator import SIMULATOR
from gateway.domain.study import Device, Order, Patient
from gateway.sinks.broker import BrokerAddress
from gateway.sinks.receiver import Received, Receiver
from tests.end_to_end.conftest import DEADLINE_S, PERFORMED_AT, House, listening
from tests.end_to_end.raw_cart import END, HEADER, raw_cart

FAMILY, GIVEN, PATIENT_ID, BORN = "Zugvogel", "Kanarienfink", "PID-7734-CANARY", "1931-07-29"
# However a part of the gateway might write it.
TRACES = [
    form
    for secret in (FAMILY, GIVEN, PATIENT_ID, BORN, BORN.replace("-", ""), "29.07.1931")
    for form in (secret.casefold(), base64.b64encode(secret.encode()).decode().casefold().rstrip("="))
]

WHOLE = SIMULATOR.study("block-forearm", seed=7, performed_at=PERFORMED_AT)
# A technologist types a name where there is room for it.
STUDY = replace(
    WHOLE,
    header=replace(
        WHOLE.header,
        study_id=f"{FAMILY} {GIVEN}",
        patient=Patient(id=PATIENT_ID, family=FAMILY, given=GIVEN, birth_date=BORN, sex="F"),
        device=Device(manufacturer=FAMILY, model=GIVEN, serial=PATIENT_ID),
        order=Order(placer=f"KEY-TO-STUDY {PATIENT_ID}", accession=f"{FAMILY}-{BORN}"),
    ),
    recordings=tuple(
        replace(entry, operator=f"{GIVEN} {FAMILY}", montage_id=PATIENT_ID) for entry in WHOLE.recordings[:4]
    ),
)
KEY = "MOTOR^ulnar^right^adm^wrist"
# Places of a message that a cart can get wrong, with the patient in them.
MISPLACED = [
    f"P|1|{PATIENT_ID}|{PATIENT_ID}|{PATIENT_ID}|{FAMILY}^{GIVEN}|{FAMILY}|{FAMILY}|{FAMILY}||{GIVEN}|{GIVEN}",
    f"O|1|{FAMILY} {GIVEN}|{PATIENT_ID}|^^^{FAMILY}|{GIVEN}|{BORN}",
    f"C|1|{FAMILY}|{GIVEN} {BORN}",
    f"X|1|{FAMILY}",
    f"M|1|{FAMILY}|{GIVEN}",
    f"M|1|CLIN|{FAMILY}|{GIVEN}",
    f"M|1|STIM|{FAMILY}^{GIVEN}^right^adm^wrist",
    f"M|1|STIM|MOTOR^{FAMILY}^right^adm^wrist|38^mA",
    f"R|1|^^^MOTOR^ulnar^right^{GIVEN}^{FAMILY}^CMAP-AMP|9.0|mV",
    f"M|1|STIM|{KEY}|{FAMILY}^{GIVEN}",
    f"R|1|^^^{KEY}^{FAMILY}|{GIVEN}|{BORN}",
    f"R|2|^^^{KEY}^CMAP-AMP|{FAMILY}|mV",
    f"R|3|^^^{KEY}^CMAP-AMP|9.0|{FAMILY}",
    f"R|4|^^^{KEY}^CMAP-LAT|2.9|ms||N||P|||{FAMILY}||{GIVEN}",
    f"M|2|WAVE|{KEY}|{FAMILY}|{GIVEN}|{BORN}|{PATIENT_ID}|{FAMILY}|{GIVEN}",
]


async def test_nobody_but_the_hospital_learns_who_the_patient_is(house: House, broker: BrokerAddress) -> None:
    house.broker = f"{broker.host}:{broker.port}"
    async with Receiver() as receiver, listening(broker.host, broker.port, "#") as seen:
        house.engine = f"127.0.0.1:{receiver.port}"
        await house.daemon()
        async with raw_cart(house) as cart:
            for record in MISPLACED[2:]:
                await cart.send([HEADER, *MISPLACED[:2], record, END])
        assert await house.play(STUDY) == 0
        received = await asyncio.wait_for(receiver.messages.get(), DEADLINE_S)
        while b"KEY-TO-STUDY" not in received.block:
            received = await asyncio.wait_for(receiver.messages.get(), DEADLINE_S)
        await house.until(lambda: {row["state"] for row in house.rows()} == {"delivered"}, "the answer")
        await house.until(lambda: events(seen) == len(house.rows("emg/v1/lab1/cart-a")), "the events")
        printed = await ledger_of(house)

    assert house.log.count(" record_rejected ") >= len(MISPLACED) - 3
    assert leaks({"log": house.log, "ledger": printed, "simulate": command_log(house)}) == []
    assert leaks({str(message.topic): text(message.payload) for message in seen}) == []
    assert leaks({name: name for name in file_names(house.folder)}) == []
    assert leaks({"hl7": received.block.decode()}) == ["hl7"]
    assert addressed_to(received) == [PATIENT_ID, FAMILY, GIVEN, BORN.replace("-", "")]


def leaks(told: dict[str, str]) -> list[str]:
    """Where the patient shows."""
    return [
        place for place, words in told.items() if any(trace in (place + words).casefold() for trace in TRACES)
    ]


def text(payload: object) -> str:
    """A payload as sent, and with its JSON escapes undone."""
    assert isinstance(payload, bytes)
    return payload.decode() + (json.dumps(json.loads(payload), ensure_ascii=False) if payload else "")


def events(seen: list[aiomqtt.Message]) -> int:
    return sum(not str(message.topic).endswith("/status") for message in seen)


def command_log(house: House) -> str:
    return (house.folder / "command.log").read_text("utf-8")


def file_names(folder: Path) -> Iterator[str]:
    return (str(path.relative_to(folder)) for path in folder.rglob("*"))


async def ledger_of(house: House) -> str:
    """What `ledger` prints, in both forms."""
    for form in ([], ["--json"]):
        process = await house.start("ledger", "--config", str(house.config), *form, log="ledger.log")
        assert await process.wait() == 0
    return (house.folder / "ledger.log").read_text("utf-8")


def addressed_to(received: Received) -> list[str]:
    """PID-3, both parts of PID-5, PID-7."""
    assert received.message is not None
    (pid,) = received.message.all("PID")
    return [pid.text(3), pid.text(5), pid.text(5, 2), pid.text(7)]
