"""What an operator writes, `key=value`, as statements; every word is checked before any is taken.

A detail carries its recording in the key, in the order of the actions that are asked for:
`name:nerve:side:stimulation_site:recording_site`.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeVar

from gateway.domain.anatomy import Anatomy
from gateway.domain.recording import Side
from gateway.domain.statements import check
from gateway.domain.study import ClinicalFacts, ClinicalStated, DetailName, DetailStated, Statement
from gateway.errors import DataError, did_you_mean

T = TypeVar("T")
_Value = float | bool | str | None

_UNKNOWN: Final = "unknown"
_NUMBER: Final = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")


def number(text: str) -> float | None:
    """A number without a sign, or None for unknown."""
    if text == _UNKNOWN:
        return None
    if not _NUMBER.fullmatch(text):
        raise DataError(f"write a number with a point, such as 31.5, or {_UNKNOWN}")
    return float(text)


def one_of(words: Mapping[str, T]) -> Callable[[str], T]:
    """What reads one of `words` as what it stands for."""
    return lambda text: words[_among(text, words)]


def _among(text: str, known: Iterable[str]) -> str:
    choices = tuple(dict.fromkeys(map(str, known)))
    if text not in choices:
        raise DataError(f"must be one of {', '.join(choices)}{did_you_mean(text, choices)}")
    return text


_FLAG: Final = one_of({"yes": True, "no": False, _UNKNOWN: None})
_CLINICAL: Final[Mapping[str, Callable[[str], _Value]]] = {
    "symptom_onset_days": number,
    "umn_signs": _FLAG,
    "anti_gm1_igm": one_of({"positive": "positive", "negative": "negative", _UNKNOWN: None}),
    "csf_protein_g_l": number,
    "plexus_mri_abnormal": _FLAG,
    "ivig_response": _FLAG,
}
_DETAILS: Final[Mapping[DetailName, Callable[[str], float | bool | None]]] = {
    "skin_temperature_c": number,
    "distance_mm": number,
    "supramaximal": _FLAG,
}
# A temperature is that of a limb; the others belong to one stimulation.
_FORMS: Final[Mapping[DetailName, str]] = {
    "skin_temperature_c": "skin_temperature_c:NERVE:SIDE[:STIMULATION_SITE[:RECORDING_SITE]]",
    "distance_mm": "distance_mm:NERVE:SIDE:STIMULATION_SITE:RECORDING_SITE",
    "supramaximal": "supramaximal:NERVE:SIDE:STIMULATION_SITE:RECORDING_SITE",
}


def statements(words: Iterable[str], anatomy: Anatomy) -> tuple[Statement, ...]:
    """What `words` state; DataError names the key that is wrong, and what can stand there."""
    clinical: dict[str, _Value] = {}
    details: list[DetailStated] = []
    for word in words:
        key, _, text = word.partition("=")
        try:
            if key in _CLINICAL:
                _add(clinical, key, _CLINICAL[key](text))
            else:
                details.append(_detail(key, text, anatomy))
        except DataError as error:
            raise error.within(key) from error
    _refuse_doubles(details)
    stated: tuple[Statement, ...] = (*_clinical(clinical), *details)
    for statement in stated:
        check(statement)
    return stated


def _add(clinical: dict[str, _Value], key: str, value: _Value) -> None:
    if key in clinical:
        raise DataError("given twice")
    clinical[key] = value


def _clinical(values: Mapping[str, _Value]) -> Iterator[ClinicalStated]:
    if values:
        known: dict[str, Any] = {name: value for name, value in values.items() if value is not None}
        forgotten = tuple(name for name in values if name not in known)
        yield ClinicalStated(clinical=ClinicalFacts(**known), forgotten=forgotten)


def _detail(key: str, text: str, anatomy: Anatomy) -> DetailStated:
    first, *where = key.split(":")
    name = next((known for known in _DETAILS if known == first), None)
    if name is None:
        forms = ", ".join((*_CLINICAL, *_FORMS.values()))
        raise DataError(f"no such key{did_you_mean(first, (*_CLINICAL, *_DETAILS))}; there are: {forms}")
    if len(where) not in ((2, 3, 4) if name == "skin_temperature_c" else (4,)):
        raise DataError(f"write {_FORMS[name]}=VALUE")
    nerve = _nerve(where[0], anatomy)
    side = Side(_placed("side", where[1], Side))
    stimulation_sites = (*anatomy.nerves[nerve].motor_sites, *anatomy.sensory_stimulation_sites)
    recording_sites = (*anatomy.muscles, *anatomy.sensory_recording_sites)
    return DetailStated(
        name=name,
        value=_DETAILS[name](text),
        nerve=nerve,
        side=side,
        stimulation_site=_placed("stimulation site", where[2], stimulation_sites) if where[2:] else None,
        recording_site=_placed("recording site", where[3], recording_sites) if where[3:] else None,
    )


def _nerve(text: str, anatomy: Anatomy) -> str:
    names = {name: name for name in anatomy.nerves}
    names |= {alias: name for name, nerve in anatomy.nerves.items() for alias in nerve.aliases}
    return names[_placed("nerve", text, names)]


def _placed(place: str, text: str, known: Iterable[str]) -> str:
    try:
        return _among(text, known)
    except DataError as error:
        raise error.within(place) from error


def _refuse_doubles(details: Sequence[DetailStated]) -> None:
    """DataError where a word is said twice about the same, under two names of a nerve perhaps."""
    subjects = [(e.name, e.nerve, e.side, e.stimulation_site, e.recording_site) for e in details]
    for subject in subjects:
        if subjects.count(subject) > 1:
            raise DataError("given twice", ":".join(part for part in subject if part))
