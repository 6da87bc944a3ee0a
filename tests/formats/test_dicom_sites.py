"""Nerve, side and sites: what settles them, in which order, and what contradicts itself."""

import re
from dataclasses import replace

import pytest
from pydicom.sr._concepts_dict import concepts

from gateway.domain.recording import Modality, Recording, Side
from gateway.errors import DataError
from gateway.formats import Reading
from gateway.formats.dicom.reading import read
from gateway.formats.dicom.sites import Codes
from tests.dicom_files import ADM, MEDIAN_RIGHT, ULNAR, channel, code, emg, file, group, put, said, ulnar
from tests.factories import reference

ANATOMY = reference().anatomy
CHANNEL = "WaveformSequence[0].ChannelDefinitionSequence[0]"
WRIST = said("STIM-SITE", text="wrist")
DIGIT = said("REC-SITE", text="Digit V")


def only(made, **changes) -> Recording:
    (recording,) = read(file(made), Reading(anatomy=ANATOMY, **changes)).study.recordings
    return recording


def refused(made, place, reason):
    with pytest.raises(DataError) as error:
        only(made)
    assert error.value.place == place
    assert reason in error.value.reason


def test_every_code_is_one_structure():
    codes = Codes.of(ANATOMY)
    assert not codes.muscles.keys() & codes.nerves.keys()
    assert len(codes.muscles) == 3 * len(ANATOMY.muscles)
    assert len(codes.nerves) == 3 * (len(ANATOMY.nerves) + len(ANATOMY.branches))
    assert codes.muscles["7:742"] == ("apb", Side.RIGHT, None)
    assert codes.nerves["7:145"] == ("ulnar", Side.LEFT, "digit_5")


def in_the_standard(cid: int) -> dict[str, str]:
    """The codes of a context group and their meanings, as pydicom has them from PS3.16."""
    terms = [pair for codes in concepts["MDC"].values() for pair in codes.items()]
    return {value: meaning for value, (meaning, groups) in terms if cid in groups}


@pytest.mark.parametrize(
    ("cid", "known"), [(3031, Codes.of(ANATOMY).muscles), (3032, Codes.of(ANATOMY).nerves)]
)
def test_every_code_and_its_side_are_in_the_standard(cid, known):
    standard = in_the_standard(cid)
    for value, structure in known.items():
        side = re.search("left|right", standard[value])
        assert (side[0] if side else None) == structure.side


def test_a_structure_without_a_code_cannot_be_meant():
    muscle = replace(ANATOMY.muscles["apb"], mdc=None)
    assert Codes.of(replace(ANATOMY, muscles={"apb": muscle})).muscles == {}


@pytest.mark.parametrize("muscle", ANATOMY.muscles)
def test_a_muscle_is_a_motor_recording(muscle):
    nerve = next(name for name, entry in ANATOMY.nerves.items() if entry.sites)
    annotations = [
        said("NERVE", coded=ANATOMY.nerves[nerve].mdc),
        said("STIM-SITE", text=ANATOMY.nerves[nerve].sites[0]),
    ]
    partition, number = ANATOMY.muscles[muscle].mdc.split(":")
    found = only(emg(group(channel(f"{partition}:{int(number) + 1}")), annotations=annotations))
    assert (found.modality, found.recording_site, found.side) == (Modality.MOTOR, muscle, Side.LEFT)


@pytest.mark.parametrize("nerve", ANATOMY.nerves)
def test_a_nerve_is_a_sensory_recording(nerve):
    partition, number = ANATOMY.nerves[nerve].mdc.split(":")
    found = only(emg(group(channel(f"{partition}:{int(number) + 2}")), annotations=[WRIST, DIGIT]))
    assert (found.modality, found.nerve, found.side) == (Modality.SENSORY, nerve, Side.RIGHT)
    assert found.recording_site == "digit_5"


@pytest.mark.parametrize(
    "source",
    [
        code("7:1"),
        code("7:758", "SCT"),
        code("", "MDC"),
        code("", "MDC", "Right abductor digiti minimi"),
        code("7:758 extra"),
    ],
)
def test_refuses_a_source_that_is_no_known_code(source):
    made = emg(group(channel(ChannelSourceSequence=[source])))
    refused(made, f"{CHANNEL}.ChannelSourceSequence", "must be the MDC code of one of apb, adm,")


def test_refuses_a_channel_without_a_source():
    refused(emg(group(channel(None))), f"{CHANNEL}.ChannelSourceSequence", "is missing")
    two = [code(ADM["right"]), code(ADM["right"])]
    made = emg(group(channel(ChannelSourceSequence=two)))
    refused(made, f"{CHANNEL}.ChannelSourceSequence", "more than one item")


def test_the_meaning_of_a_code_does_not_matter():
    made = emg(
        group(channel(ChannelSourceSequence=[code(ADM["right"], meaning="Left abductor pollicis brevis")]))
    )
    assert only(made).recording_site == "adm"


# The nerve


@pytest.mark.parametrize(
    ("annotations", "context", "nerve"),
    [
        ([said("NERVE", coded=ULNAR["right"])], [], "ulnar"),
        ([], [said("NERVE", coded=ULNAR["right"], context=True)], "ulnar"),
        ([said("NERVE", coded="7:132"), said("NERVE", coded="7:134", channels=[1, 1])], [], "ulnar"),
        ([said("NERVE", coded="7:146")], [], "ulnar"),
    ],
)
def test_the_nerve_of_a_motor_recording_is_named(annotations, context, nerve):
    assert only(emg(annotations=[*annotations, WRIST], context=context)).nerve == nerve


@pytest.mark.parametrize(
    ("second", "context", "reason"),
    [
        ([said("NERVE", coded=MEDIAN_RIGHT)], [], "NERVE names two nerves"),
        ([said("NERVE", coded=MEDIAN_RIGHT, channels=[1, 1])], [], "NERVE names two nerves"),
        ([], [said("NERVE", coded=MEDIAN_RIGHT, context=True)], "NERVE names two nerves"),
        ([], [said("NERVE", coded="7:133", context=True)], "NERVE name different sides"),
        ([said("NERVE", coded="7:133", channels=[1, 1])], [], "NERVE name different sides"),
        ([said("STIM-SITE", text="elbow", channels=[1, 1])], [], "STIM-SITE names two stimulation sites"),
    ],
)
def test_refuses_two_nerves_sides_or_sites_wherever_they_are_said(second, context, reason):
    made = emg(annotations=[said("NERVE", coded=ULNAR["right"]), WRIST, *second], context=context)
    refused(made, CHANNEL, reason)


def test_a_label_may_name_the_recording_site_beside_an_annotation():
    digit_5 = "7:146"
    annotations = [said("NERVE", coded=ULNAR["right"]), WRIST, said("REC-SITE", text="digit 5")]
    made = emg(group(channel(digit_5), MultiplexGroupLabel="Digit 5"), annotations=annotations)
    assert only(made).name == "sensory ulnar right digit_5 wrist"


def test_one_site_has_several_names():
    made = emg(annotations=[*ulnar("below elbow"), said("STIM-SITE", text="BE", channels=[1, 1])])
    assert only(made).stimulation_site == "below_elbow"


def test_endless_names_are_refused():
    names = [said("STIM-SITE", text=f"wrist {number}") for number in range(20)]
    refused(
        emg(annotations=[*ulnar(), *names]),
        "WaveformAnnotationSequence[10]",
        "contradicts another STIM-SITE",
    )


def test_refuses_a_motor_recording_without_a_nerve():
    refused(emg(annotations=[WRIST]), CHANNEL, "the nerve is missing: a NERVE annotation")


@pytest.mark.parametrize(
    ("nerve", "place", "reason"),
    [
        ({"coded": "7:742"}, ".ConceptCodeSequence", "must be the MDC code of one of median, ulnar"),
        ({"coded": "7:1"}, ".ConceptCodeSequence", "must be the MDC code of one of"),
        (
            {"ConceptCodeSequence": [code(ULNAR["right"], "SCT")]},
            ".ConceptCodeSequence",
            "must be the MDC code of one of",
        ),
        ({"text": "ulnar"}, ".ConceptCodeSequence", "is missing"),
    ],
)
def test_refuses_a_nerve_that_is_no_known_code(nerve, place, reason):
    made = emg(annotations=[said("NERVE", **nerve), WRIST])
    refused(made, f"WaveformAnnotationSequence[0]{place}", reason)


def test_refuses_a_sensory_recording_of_two_nerves():
    made = emg(group(channel(ULNAR["right"])), annotations=[said("NERVE", coded=MEDIAN_RIGHT), WRIST, DIGIT])
    refused(made, CHANNEL, "ChannelSourceSequence and NERVE name different nerves")


def test_a_branch_is_its_nerve():
    made = emg(group(channel("7:146")), annotations=[said("NERVE", coded=ULNAR["right"]), WRIST])
    assert only(made).recording_site == "digit_5"
    assert only(made).nerve == "ulnar"


# The side


@pytest.mark.parametrize(
    ("source", "nerve", "series", "side"),
    [
        ("left", None, None, Side.LEFT),
        (None, "left", None, Side.LEFT),
        (None, None, "L", Side.LEFT),
        ("right", "right", "R", Side.RIGHT),
        ("right", None, "R", Side.RIGHT),
        (None, "right", "R", Side.RIGHT),
        ("right", None, "", Side.RIGHT),
        ("right", None, "U", Side.RIGHT),
    ],
)
def test_the_side_is_given_somewhere(source, nerve, series, side):
    made = emg(group(channel(ADM[source])), annotations=ulnar(nerve=ULNAR[nerve]), Laterality=series)
    assert only(made).side is side


@pytest.mark.parametrize(
    ("source", "nerve", "series", "reason"),
    [
        ("left", "right", None, "ChannelSourceSequence and NERVE name different sides"),
        ("left", None, "R", "ChannelSourceSequence and Laterality name different sides"),
        (None, "left", "R", "NERVE and Laterality name different sides"),
        ("left", "left", "R", "ChannelSourceSequence and Laterality name different sides"),
        (None, None, None, "the side is missing: the code of ChannelSourceSequence or NERVE, or Laterality"),
        (None, None, "B", "the side is missing"),
    ],
)
def test_refuses_a_side_that_is_not_certain(source, nerve, series, reason):
    made = emg(group(channel(ADM[source])), annotations=ulnar(nerve=ULNAR[nerve]), Laterality=series)
    refused(made, CHANNEL, reason)


# The recording site of a sensory recording


def test_refuses_a_sensory_recording_without_a_site():
    made = emg(group(channel(ULNAR["right"])), annotations=[WRIST])
    refused(made, CHANNEL, "the recording site is missing: a REC-SITE annotation names it")


def test_refuses_an_unknown_recording_site():
    made = emg(group(channel(ULNAR["right"])), annotations=[WRIST, said("REC-SITE", text="digit_6")])
    place = "WaveformAnnotationSequence[1].UnformattedTextValue"
    refused(made, place, "unknown site; did you mean 'digit_5'?; known: ")


def test_refuses_a_recording_site_that_the_code_contradicts():
    made = emg(group(channel("7:146")), annotations=[WRIST, said("REC-SITE", text="digit 2")])
    refused(made, CHANNEL, "REC-SITE and ChannelSourceSequence name different recording sites")


# The stimulation site


@pytest.mark.parametrize(
    ("text", "label", "site"),
    [
        ("wrist", None, "wrist"),
        ("Below elbow", None, "below_elbow"),
        ("BE", None, "below_elbow"),
        ("below-ELBOW", "B.Elbow", "below_elbow"),
        (None, "Below elbow", "below_elbow"),
        ("erb", "whatever", "erb"),
        ("Sulcus", None, "above_elbow"),
        (None, "sulcus", "above_elbow"),
    ],
)
def test_the_stimulation_site_is_named(text, label, site):
    annotations = [
        said("NERVE", coded=ULNAR["right"]),
        *([] if text is None else [said("STIM-SITE", text=text)]),
    ]
    made = emg(group(MultiplexGroupLabel=label), annotations=annotations)
    assert only(made, site_aliases={"Sulcus": "above_elbow"}).stimulation_site == site


@pytest.mark.parametrize(
    ("text", "label", "place", "reason"),
    [
        (
            "elbw",
            "wrist",
            "WaveformAnnotationSequence[1].UnformattedTextValue",
            "unknown site; did you mean 'elbow'?",
        ),
        ("", None, CHANNEL, "the stimulation site is missing"),
        (None, "CANARY", "WaveformSequence[0].MultiplexGroupLabel", "unknown site; known: palm, wrist"),
        (None, "", CHANNEL, "the stimulation site is missing: a STIM-SITE annotation or MultiplexGroupLabel"),
        (None, None, CHANNEL, "the stimulation site is missing"),
        ("wrist", "Axilla", CHANNEL, "STIM-SITE and MultiplexGroupLabel name different stimulation sites"),
    ],
)
def test_refuses_a_stimulation_site_that_is_not_certain(text, label, place, reason):
    annotations = [
        said("NERVE", coded=ULNAR["right"]),
        *([] if text is None else [said("STIM-SITE", text=text)]),
    ]
    refused(emg(group(MultiplexGroupLabel=label), annotations=annotations), place, reason)


def test_refuses_what_cannot_exist():
    made = emg(annotations=ulnar("popliteal_fossa"))
    refused(made, f"{CHANNEL}: stimulation_site", "unknown stimulation site")


def test_the_label_is_read_as_sensory_sites_too():
    made = emg(
        group(channel("7:234"), MultiplexGroupLabel="Calf"), annotations=[said("REC-SITE", text="ankle")]
    )
    assert only(put(made, Laterality="R")).name == "sensory sural right ankle calf"
