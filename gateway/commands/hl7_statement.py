"""The HL7 conformance statement, in Markdown, for the engineer who connects an interface engine.

Made of the tables that writing, sending and acknowledging go by, so that it says what they do.
"""

from collections.abc import Iterable
from itertools import chain
from typing import Final, get_args

from gateway.daemon.config import Hl7Section
from gateway.daemon.reference import load_reference
from gateway.domain.criteria import Grade
from gateway.domain.sensory import SensoryGrade
from gateway.domain.support import Support
from gateway.pipeline.samples import KINDS, samples
from gateway.protocols.acknowledgement import MAX_TEXT, POLICY, AckCode, RetryRule, Verdict
from gateway.protocols.er7 import MAX_SEGMENTS, CharacterSet
from gateway.protocols.mllp import MAX_BLOCK
from gateway.protocols.numbering import MAX_SITES
from gateway.protocols.observations import (
    CODES,
    LOCAL,
    NERVE_STUDIES,
    SUMMARY_STUDY,
    UNIT_TEXTS,
    ObservationCode,
    Place,
)
from gateway.protocols.oru import MAX_CONTROL_ID, MessageHeader
from gateway.protocols.oru_profile import PROFILE, STATUSES, MessageSegment
from gateway.protocols.summary_remarks import REMARKS
from gateway.protocols.sweeps import MAX_SAMPLES
from gateway.sinks.backoff import Backoff
from gateway.sinks.mllp_address import DEFAULT_PORT
from gateway.sinks.mllp_link import MAX_ANSWER

_NOTHING: Final = "-"
_DEFAULTS: Final = Hl7Section(name="engine", url="mllp://")
_OVERVIEW: Final = """\
emg-gateway sends nerve conduction results as HL7 2.5.1 `ORU^R01^ORU_R01` over MLLP. It sends nothing else and
takes no messages but acknowledgements. A message goes out when an examination ends, again (corrected) when
something changes after that, and with `interim = true` also after each nerve study. Every message is a whole
report.

Every result is preliminary electrodiagnostic support. The gateway never sends a final result: a physician
reviews the study, and the report that is final comes from another system.

`emg-gateway conformance hl7` prints this statement from the tables that the program goes by. Words in
`code style` without capitals are keys of `[[hl7]]` in the configuration."""

_STRUCTURE: Final = """\
`MSH [PID] { OBR [{NTE}] { OBX [{NTE}] } }`: the first OBR is the summary, then there is one for each nerve
study: a nerve, a side and a muscle or sensory site. No PID where nothing at all is known of the patient.

Usage: R required; RE sent where it is known; C as the text says. No field repeats. A field that is not here
is never sent; an empty field means that nothing is known, `""` is never sent."""

_DEVIATIONS: Final = """\
- PID-3 is required by the standard and is empty where the cart knows no patient id: none is invented.
- PID-3 names no assigning authority: the cart does not know it. The engine adds it.
- Waveforms are numeric arrays (NA) in an ordinary OBX, not the ORU^W01 of chapter 7: engines that take this
  ORU^R01 take them too."""

_IDENTITY: Final = f"""\
- **MSH-10** is the study's code and a number, at most {MAX_CONTROL_ID} characters. The same content goes out
  under the same MSH-10, however often it is sent; a correction has a new one. A receiver that has it already
  may answer AA and store nothing.
- **OBR-3, OBX-3 and OBX-4** together name a result for ever: what a later message says under the same three
  replaces what an earlier one said. The study's code is opaque.
- **OBX-4** is `n.s`: `n` the nerve study (0: the summary), `s` 0 for the nerve itself, 1 to {MAX_SITES} its
  stimulation sites, from {MAX_SITES + 1} its segments. `n.s.k` where a code occurs more than once under one
  `n.s`. Numbers are given when something first appears and never used for anything else.
- **Withdrawn.** What was sent once and holds no longer is sent with `D` and without a value, in this and in
  every later message.
- **Posted to the wrong patient.** When a person says so, a message of its own names the wrong patient (PID)
  and everything that was ever sent for that patient, under the same OBR-3, OBX-3 and OBX-4, with `W` and
  without a value. The next message names the right patient, once it is known who, under a new OBR-3:
  `{{study}}-2.{{n}}`, and `-3` for the patient after that. What is `W` stays so, whatever comes later."""

_LIMITS: Final = """\
`CMAP-LAT`, `CMAP-AMP`, `MCV`, `SNAP-LAT`, `SNAP-PLAT`, `SNAP-AMP` and `SCV` stand against the norm table
named in `NORMS`, by the row that holds for the patient: OBX-7 is its limit, OBX-8 `N` within it, `L` below,
`H` above. Both are empty where the value was not judged: the table has no limit for this site or segment,
the distance is unknown or (latencies) not near the table's, or the limb was cold (latencies and
velocities). An empty flag never means normal. `NORESP` is `A` at a motor site whose amplitude has a limit;
a sensory response that is absent is `A` in `SENS-RESULT`."""

_MEANINGS: Final = {
    Verdict.DELIVERED: "done",
    Verdict.COMMITTED: "the application's answer is waited for, on the same connection",
    Verdict.TRY_AGAIN: "the same message again later",
    Verdict.REJECTED: "dead letter, with the reason; the next message goes on",
}
_MODES: Final = {
    "": 'original: `ack_mode = "original"`, MSH-15 and MSH-16 empty',
    "NE": 'enhanced: `ack_mode = "enhanced"`, MSH-15 `AL`, MSH-16 `NE`',
    "AL": 'enhanced with `application_ack = "AL"`, MSH-15 `AL`, MSH-16 `AL`',
}


def statement() -> str:
    """The statement of this version."""
    found = samples(MessageHeader(sending_application=_DEFAULTS.sending_application), load_reference())
    sections = (
        ("Structure", _STRUCTURE),
        *((f"{entry.name}: {entry.title}", _segment(entry)) for entry in PROFILE),
        ("Identity, resends and corrections", _IDENTITY),
        ("OBR-4: what was examined", _services()),
        ("OBX-3: what was observed", _observations()),
        ("Values of coded observations", _values()),
        ("OBX-7 and OBX-8: limits and flags", _LIMITS),
        ("NTE behind MMN-SUPPORT", _summary_remarks()),
        ("OBX-11: status", _table(("Status", "Means"), ((f"`{k}`", text) for k, text in STATUSES.items()))),
        ("Units", _table(("UCUM", "Text"), ((f"`{unit}`", text) for unit, text in UNIT_TEXTS.items()))),
        ("Acknowledgement", _acknowledgement()),
        ("Transport", _transport()),
        ("Validation", _validation()),
        ("Character sets", _character_sets()),
        ("Waveforms", _waveforms()),
        ("Sizes", _sizes(found["final"])),
        ("Samples", _samples()),
        ("Deviations and limits", _DEVIATIONS),
    )
    body = "\n\n".join(f"## {title}\n\n{text}" for title, text in sections)
    return f"# HL7 conformance statement\n\n{_OVERVIEW}\n\n{body}\n"


def _summary_remarks() -> str:
    rows = ((f"`{label}`", means) for label, means in REMARKS.items())
    return f"""\
After a notice that nothing was reviewed by a physician, one NTE each, where there is something to say; codes
are those of the Assessment document.

{_table(("NTE-3 begins with", "Says"), rows)}"""


def _segment(segment: MessageSegment) -> str:
    rows = (
        (
            f"{segment.name}-{entry.number}",
            entry.name,
            entry.type,
            entry.usage,
            "1..1" if entry.usage == "R" else "0..1",
            entry.table or _NOTHING,
            entry.content.replace("|", "&#124;"),
        )
        for entry in segment.fields
    )
    head = f"Usage {segment.usage}, {segment.cardinality}."
    return f"{head}\n\n{_table(('Field', 'Name', 'Type', 'Usage', 'Card.', 'Table', 'Content'), rows)}"


def _services() -> str:
    rows = (
        (f"`{entry.code}`", entry.text, entry.system) for entry in (SUMMARY_STUDY, *NERVE_STUDIES.values())
    )
    return _table(("Code", "Text", "System"), rows)


_PLACES: Final = {
    Place.SUMMARY: "summary, `0.1`",
    Place.NERVE: "nerve, `n.0`",
    Place.SITE: "site, `n.1` …",
    Place.SEGMENT: f"segment, `n.{MAX_SITES + 1}` …",
}


def _observations() -> str:
    rows = (
        (
            f"`{entry.code}`",
            entry.text,
            entry.type,
            f"`{entry.unit}`" if entry.unit else _NOTHING,
            f"{entry.loinc.code} {entry.loinc.text}" if entry.loinc else _NOTHING,
            _where(entry),
        )
        for entry in CODES.values()
    )
    return f"""\
Codes of the local system `{LOCAL}`; a standard code stands beside it where one is known to exist, and none is
invented. Nerves and muscles are coded in MDC (ISO/IEEE 11073-10101), with ours beside it.

{_table(("Code", "Text", "OBX-2", "OBX-6", "LOINC, as the alternate", "Where"), rows)}"""


def _where(entry: ObservationCode) -> str:
    places = ", ".join(_PLACES[place] for place in entry.places)
    return f"{places}, repeats" if entry.repeats else places


def _values() -> str:
    grades = (grade for grade in Grade if grade is not Grade.INDETERMINATE)
    rows = (
        (
            "`CB-FINDING`",
            _codes(Grade),
            "after every gate, under the set that grades; `A` for a block, `N` for none",
        ),
        ("`CB-GRADE`", _codes(grades), "what the numbers say under the set in OBX-17"),
        ("`SENS-RESULT`", _codes(SensoryGrade), "against the limits in OBX-7"),
        ("`SENS-NORMAL`", "`Y` `N` `U`", "every sensory nerve that was tested; `U`: none could be judged"),
        ("`MMN-SUPPORT`", _codes(Support), "electrodiagnostic support, not a diagnosis"),
    )
    return _table(("Observation", "Values", "Means"), rows)


def _codes(values: Iterable[str]) -> str:
    return " ".join(f"`{value}`" for value in values)


def _acknowledgement() -> str:
    modes = ((f"`{asked}`" if asked else "empty", _MODES[asked]) for asked in POLICY)
    codes = ((f"`{code}`", *(_MEANINGS[meanings[code]] for meanings in POLICY.values())) for code in AckCode)
    return "\n\n".join(
        (
            _table(("MSH-16", "Mode"), modes),
            _table(("MSA-1", *(f"MSH-16 {asked or 'empty'}" for asked in POLICY)), codes),
            _rules(RetryRule(), Backoff()),
        )
    )


def _rules(retry: RetryRule, backoff: Backoff) -> str:
    return f"""\
- An answer counts only when its MSA-2 equals our MSH-10, whatever its code is.
- Silence for `ack_timeout_s` ({_DEFAULTS.ack_timeout_s:g} s), an answer to another message, or anything
  that is no acknowledgement: the connection is closed, and the same bytes go out on a new one. For ever.
- AE and CE: again after {retry.first_s:g}, {2 * retry.first_s:g}, {4 * retry.first_s:g} … s, at most
  {retry.cap_s:g} s apart; after {retry.tries} tries, or {retry.span_s / 60:g} minutes, the message is parked
  and the next goes on.
- Reconnection: within {backoff.first_s:g} s, doubling up to {backoff.cap_s:g} s, with jitter.
- One message is in flight at a time; a destination gets its messages in order.
- An application acknowledgement with MSH-15 `AL` or `SU` gets a commit acknowledgement (CA).
- `emg-gateway outbox` lists what was parked or refused, sends it again under the same MSH-10, gives it up,
  and pauses a destination. A message that a later one of its study has overtaken is not sent again.
- `emg-gateway replay` sends again what was acknowledged, to one engine that has lost it: the same bytes under
  the same MSH-10, in their order, by control id, study or time. Nothing is sent without `--send`; who did it
  and why stands in the ledger.
- `emg-gateway ledger` and `outbox list` show each answer with the receiver's own words, which may name a
  patient: at most {MAX_TEXT} characters, control characters escaped. They stand in the store and on that
  terminal; logs have the code alone."""


def _transport() -> str:
    return f"""\
- MLLP release 1: `0x0B` message `0x1C 0x0D`, over TCP. `url = "mllp://host:port"`, port {DEFAULT_PORT} where
  none is given. The gateway connects; the engine listens.
- `mllps://`: TLS 1.2 or newer. The engine's certificate and its name are always checked, against `ca_file` or
  the system's CAs; `cert_file` and `key_file` are shown to an engine that asks.
- `connection`: `permanent` or `per_message`; default `{_DEFAULTS.connection}`. A permanent one has TCP
  keep-alive; nothing is sent on one that the engine has closed.
- `connect_timeout_s`: {_DEFAULTS.connect_timeout_s:g} s. `messages_per_second` bounds how fast a backlog
  goes out; without it the engine's answers do."""


_CHECKS: Final = {
    "startup": "a sample of each kind of message, before the first goes out; what passed is remembered",
    "always": "every message too, before it goes; a process for each, half a second or more",
    "never": "nothing",
}


def _validation() -> str:
    rows = ((f"`{name}`", text) for name, text in _CHECKS.items())
    return f"""\
Messages are checked against the structures of HL7 2.5.1 by hl7apy at its strict level, in a process beside
the gateway that ends. `validate` says which; default `{_DEFAULTS.validate}`:

{_table(("validate", "What is checked"), rows)}

What fails is not sent: it is a dead letter with its reason, and the log names the kind (`hl7_kind_invalid`).
`emg-gateway config check` checks the samples before anything runs, `hl7 validate` any file."""


def _character_sets() -> str:
    return f"""\
`charset`: {_codes(get_args(CharacterSet))}; default `{_DEFAULTS.charset}`.
A character that the set does not have is sent as `?`, and an NTE behind the first OBR says how many there
were. Delimiters in text are escaped (`\\F\\ \\S\\ \\T\\ \\R\\ \\E\\`), control characters as `\\Xhh\\`.
Acknowledgements are read in any character set."""


def _waveforms() -> str:
    return f"""\
With `waveforms = true` (default: {str(_DEFAULTS.waveforms).lower()}) each site that was recorded with its
sweep has three more OBX under its OBX-4:

- `WAVEFORM`, type NA: the values in microvolts, one component each, in order of time, negative up. Rounded
  to a tenth of the smallest step the cart could record, or finer.
- `WAVE-RATE` in Hz and `WAVE-START` in ms: value i (from 0) was recorded at
  WAVE-START + i * 1000 / WAVE-RATE ms after the stimulus.

A sweep of more than {MAX_SAMPLES} samples is thinned: each value is the mean of as many neighbouring samples
as it takes, an NTE says how many, and WAVE-START is the middle of the first ones. The whole curve stays in
the gateway for as long as there is room (`docs/storage.md`). Once the gateway has given a curve up, later
messages leave these three OBX out: what was sent stands. They are withdrawn (`D`) where another recording,
or none, counts at the site."""


def _sizes(final: bytes) -> str:
    return f"""\
- The sample `final`, with five nerve studies, has {len(final)} bytes; most of it are the rules of the
  criteria sets.
- A waveform has at most {MAX_SAMPLES} values, about 6 kB.
- A nerve study has at most {MAX_SITES} stimulation sites; one with more is a dead letter.
- An acknowledgement may have {MAX_ANSWER} bytes. `hl7 listen` takes messages of {MAX_BLOCK} bytes and
  {MAX_SEGMENTS} segments."""


def _samples() -> str:
    rows = ((f"[{kind}](samples/{kind}.hl7)", text) for kind, text in KINDS.items())
    return f"""\
Of a patient who does not exist. `emg-gateway hl7 sample` prints them, `hl7 send` sends them, and `hl7 listen`
answers as an engine would.

{_table(("File", "What it tells"), rows)}"""


def _table(header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = chain((header, ("---",) * len(header)), rows)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
