"""The virtual cart on a real pseudo-terminal: whatever goes wrong on the way, the study gets across."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from drivers.simulator import SIMULATOR, Cart, VirtualPatient
from drivers.simulator.cart import messages
from drivers.simulator.faults import FAULTS
from gateway.domain.study import ExamEnded, Study
from gateway.errors import DataError, Temporary, UsageError
from gateway.protocols.lis_frames import ACK, ENQ, EOT, ETX, NAK
from gateway.protocols.lis_link import FrameAccepted, FrameRefused, MessageAborted, MessageEnded, TimedOut
from gateway.protocols.lis_records import Delivery
from tests.drivers.lis_host import Host, Opened
from tests.factories import motor, study, waveform

# Where a fault is over only when a wait is: 300 ms for an answer, 600 ms for a frame. On a busy machine an
# answer may take longer, then something is sent once more than the fault explains.
HURRIED = 0.02


def short_study() -> Study:
    """Three stimulations with their curves."""
    examined = SIMULATOR.study("normal", seed=3, performed_at="2026-11-02T10:15:00+01:00")
    return replace(examined, recordings=(*examined.recordings[:2], examined.recordings[-1]))


async def play(host: Host, played: Study, fault: str | None = None, speed: float = 0.0) -> Host:
    cart = Cart(patience_s=30.0, time_scale=host.time_scale)
    try:
        await cart.play(played, fault=fault, speed=speed, opened=host.plug_in)
    finally:
        host.unplug()
    return host


@pytest.mark.parametrize("fault", [None, *FAULTS])
async def test_the_study_gets_across_whatever_goes_wrong(fault: str | None) -> None:
    played = short_study()
    host = await play(Host(HURRIED), played, fault=fault)
    assert host.recordings == list(played.recordings)
    assert host.facts[-1] == ExamEnded(by="device")
    headers = {result.header for result in host.results if isinstance(result, Delivery)}
    assert headers == {played.header}


async def test_without_a_fault_every_message_is_sent_once_and_ended() -> None:
    host = await play(Host(), short_study())
    assert host.count(MessageEnded) == 3
    assert host.count(FrameRefused) == host.count(MessageAborted) == host.count(TimedOut) == 0
    assert host.acknowledgements == host.count(FrameAccepted) + 3


async def test_bad_checksum_is_refused_and_sent_again() -> None:
    host = await play(Host(), short_study(), fault="bad-checksum")
    assert host.count(FrameRefused) == host.count(FrameAccepted) // 4
    assert host.count(MessageEnded) == 3


async def test_duplicate_frame_is_acknowledged_again_and_not_taken_twice() -> None:
    host = await play(Host(), short_study(), fault="duplicate-frame")
    frames = host.count(FrameAccepted)
    assert host.acknowledgements == frames + 3 + frames // 4
    assert host.count(FrameRefused) == 0


async def test_lost_eot_lets_the_next_enquiry_end_the_message() -> None:
    host = await play(Host(), short_study(), fault="lost-eot")
    assert EOT not in host.raw
    assert host.raw.count(ENQ) == 3
    assert host.count(FrameRefused) == 0


@pytest.mark.parametrize("fault", ["half-frame", "silence"])
async def test_a_message_that_stops_is_sent_again_from_its_enquiry(fault: str) -> None:
    host = await play(Host(HURRIED), short_study(), fault=fault)
    assert host.raw.count(ENQ) > 3
    assert host.raw.count(b"\x021H|") > 3


async def test_noise_stands_before_every_frame_and_every_enquiry() -> None:
    host = await play(Host(), short_study(), fault="noise")
    quiet = await play(Host(), short_study())
    transmissions = quiet.count(FrameAccepted) + 3
    assert len(host.raw) - len(quiet.raw) == 8 * transmissions
    assert host.count(FrameAccepted) == quiet.count(FrameAccepted)


@pytest.mark.parametrize("unplug_after", [1, 6, 40])
async def test_a_pulled_plug_costs_nothing(unplug_after: int) -> None:
    played = short_study()
    host = await play(Host(unplug_after=unplug_after), played)
    assert host.recordings == list(played.recordings)
    assert host.facts[-1] == ExamEnded(by="device")


async def test_speed_sets_the_pace_between_stimulations() -> None:
    loop = asyncio.get_running_loop()
    begun = loop.time()
    await play(Host(), short_study(), speed=200.0)
    assert loop.time() - begun >= 2 * 20 / 200.0


async def test_everything_that_is_played_is_marked_simulated() -> None:
    genuine = study(motor("wrist"))
    assert not genuine.header.simulated
    host = await play(Host(), genuine)
    (delivered,) = {result.header for result in host.results if isinstance(result, Delivery)}
    assert delivered.simulated


async def test_a_study_without_recordings_is_an_examination_that_ends() -> None:
    host = await play(Host(), study())
    assert host.facts == [ExamEnded(by="device")]


def test_the_last_message_alone_ends_the_examination() -> None:
    script = messages(short_study())
    assert [message[-1].startswith("L|") for message in script] == [False, False, True]


async def unwanted(_path: str) -> None:
    pytest.fail("a line was opened")


@pytest.mark.parametrize("opens", [False, True])
async def test_a_host_that_does_not_answer_is_reported(opens: bool) -> None:
    ends: list[Opened] = []

    async def open_only(path: str) -> None:
        ends.append(Opened(path, lambda _data: None))

    with pytest.raises(Temporary, match=r"/dev/pts/\d+: no answer for 0.1 s; is the gateway running\?"):
        await Cart(patience_s=0.1, time_scale=0.01).play(short_study(), opened=open_only if opens else None)
    for end in ends:
        end.close()


def refusing(answer: Callable[[bytes], bytes], ends: list[Opened]) -> Callable[[str], Awaitable[None]]:
    async def plug_in(path: str) -> None:
        def heard(data: bytes) -> None:
            reply = answer(data)
            if reply:
                ends[0].write(reply)

        ends.append(Opened(path, heard))

    return plug_in


@pytest.mark.parametrize("enquiry", [NAK, ACK], ids=["busy", "refuses every frame"])
async def test_a_host_that_refuses_for_ever_is_reported(enquiry: bytes) -> None:
    ends: list[Opened] = []

    def answer(data: bytes) -> bytes:
        if ENQ in data:
            return enquiry
        return NAK if ETX in data else b""

    with pytest.raises(Temporary, match="did not take a message in 6 attempts"):
        await Cart(time_scale=0.0002).play(short_study(), opened=refusing(answer, ends))
    ends[0].close()


async def test_what_is_no_answer_leaves_the_wait_as_it_was() -> None:
    ends: list[Opened] = []
    plug_in = refusing(lambda data: b"?" if ENQ in data else b"", ends)
    with pytest.raises(Temporary, match="did not take a message in 6 attempts"):
        await Cart(patience_s=30, time_scale=0.002).play(short_study(), opened=plug_in)
    ends[0].close()


async def test_an_unknown_fault_is_answered_with_the_nearest_name() -> None:
    with pytest.raises(UsageError) as caught:
        await SIMULATOR.play(short_study(), fault="silense")
    assert str(caught.value) == "unknown fault 'silense'; did you mean 'silence'?"


@pytest.mark.parametrize("speed", [-1.0, float("nan"), float("inf")])
async def test_a_speed_that_cannot_be_is_refused(speed: float) -> None:
    with pytest.raises(UsageError, match=r"must be 0 \(as fast as the line takes it\) or more"):
        await SIMULATOR.play(short_study(), speed=speed)


async def test_a_study_that_records_cannot_carry_opens_no_line() -> None:
    too_loud = motor("wrist", waveform=waveform([0, 40_000]))
    with pytest.raises(DataError, match="16 bits"):
        await Cart().play(study(too_loud), opened=unwanted)


async def test_the_link_leads_to_the_line_while_the_study_plays(tmp_path: Path) -> None:
    link, seen = tmp_path / "cart", []
    link.symlink_to("/dev/pts/no-longer-there")
    host = Host()

    async def through_the_link(path: str) -> None:
        seen.append(link.readlink())
        await host.plug_in(str(link))
        assert link.resolve() == Path(path)

    await VirtualPatient().play(short_study(), link=link, opened=through_the_link)
    assert len(host.recordings) == 3
    assert seen
    assert not link.is_symlink()


async def test_a_cart_that_is_stopped_leaves_nothing_behind(tmp_path: Path) -> None:
    opened = asyncio.Event()

    async def tell(_path: str) -> None:
        opened.set()

    link = tmp_path / "cart"
    playing = asyncio.create_task(Cart().play(short_study(), link=link, opened=tell))
    await opened.wait()
    playing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await playing
    assert not link.is_symlink()
