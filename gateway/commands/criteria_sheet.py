"""What recordings are judged by, as a sheet in Markdown: made from the data and tables that judging goes by.

The prose says what the code does in each step; the tables are the loaded criteria, limits and thresholds, so
a laboratory's own data shows here too. Every line ends in a box to be ticked.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields
from typing import Final

from gateway.domain.anatomy import Anatomy, NamedSegment
from gateway.domain.checklist import ExaminationPlan
from gateway.domain.criteria import CriteriaSet
from gateway.domain.criteria_words import condition, floors, listed, scope
from gateway.domain.differential import DemyelinationCriteria
from gateway.domain.norms import MotorNorm, NormTable, SensoryNorm, Stratum
from gateway.domain.thresholds import Thresholds
from gateway.domain.wording import plain
from gateway.pipeline.stages import Reference

Row = Sequence[str]
_BOX: Final = "[ ]"
_OPEN_END: Final = float("inf")

_OPENING: Final = """\
# What is judged, and by what

For the neurophysiologist who signs off an installation. emg-gateway grades electrodiagnostic support for
multifocal motor neuropathy (MMN), preliminary in every case. "Cannot be judged" is a proper result.
`emg-gateway criteria --config FILE` prints this sheet with a laboratory's own criteria, norms and thresholds.

Status of a number: **given** by the product's owner, **verified** against the source named (mostly an abstract
or excerpt), **recalled** with confidence and not yet compared with the paper (a caveat in every assessment
that uses it), **unverified** (criteria sets and norm rows: off; thresholds of gates: engineering settings)."""

_MEASURED: Final = """\
## What is compared

Amplitude, area and duration are those of the negative peak, from the baseline. D is the distal, P the proximal
response of two neighbouring recorded sites of one nerve, side and muscle.

| Quantity | Formula | Rounded half up to | OK |
|---|---|---|---|
| amplitude reduction, area reduction | 100 (D - P) / D | 0.1 % | [ ] |
| duration increase | 100 (P - D) / D | 0.1 % | [ ] |
| amplitude ratio | P / D | 0.001 | [ ] |
| conduction velocity | distance / (onset latency P - onset latency D) | 0.1 m/s | [ ] |

Rounding comes before comparing, in decimals: an increase of exactly 30 % is 30.0. A value on a limit is judged
as the source's inequality says. It is flagged `on_the_limit` where a limit lies within what the marks are sure of
(`machine_points` for those of a machine, the 95 % interval for ours): any limit that the grading set compares
the segment with, also one that alone would turn no grade.

- **Whose marks.** Those of the cart where it sent any; quantities it did not send come from our own marks.
- **Which recording of a site.** The last one flagged supramaximal, else the largest; at the same current the
  later replaces the earlier.
- **No proximal response.** Reductions 100 %, no duration: the highest grade of the set, but only where the
  stimulus there was flagged supramaximal; else in doubt. **No distal response**: not assessable.
- **Proximal response larger.** No block, and no velocity."""

_CONTAMINATED: Final = """\
A longer segment that contains a whole excluded one is contaminated: it does not count either, and the missing
site is asked for. A site on the edge lies outside. A nerve stimulated over a muscle of another nerve shows an
anastomosis; it is not listed by any set. A site off the course of a nerve (behind the lateral malleolus) bounds
no segment: where the knee answers more than the ankle, a response from there over the same muscle shows an
accessory fibular nerve, none excludes it."""

_STEPS: Final = """\
## In which order

1. Excluded or contaminated segment, then nerve or segment that the set does not list, then the set's own floor
   and missing quantities: not assessable.
2. Gates. Each turns a block into `indeterminate`; a cold limb and other filters or electrodes also turn "none"
   into "not assessable".
3. Nerve, then its own sensory nerve, then the clinical facts.

| Gate | When | OK |
|---|---|---|
| `submaximal` | proximal stimulus flagged not supramaximal; or not flagged and the last step of current still added | [ ] |
| `erb_unproven`, `supramaximal_unproven` | not flagged at Erb's point, at the popliteal fossa | [ ] |
| `martin_gruber_not_excluded` | ulnar nerve, wrist to below elbow, any muscle, until the median nerve was stimulated at wrist and elbow over the same muscle, neither stated submaximal | [ ] |
| `martin_gruber_demonstrated` | the median elbow exceeds the median wrist by enough of the ulnar loss | [ ] |
| `costimulation_suspected` | distal shape unlike the proximal one, and shorter proximally or with a positive dip only distally | [ ] |
| `dispersed_complex` | the proximal response has several negative phases, together longer than distally by more than `dispersion_percent`: only the first phase is compared | [ ] |
| `acute_onset` | symptoms younger than the threshold | [ ] |
| `filter_mismatch` | filters, notch or electrodes known at both sites and different | [ ] |
| `temperature_low` | skin colder than the threshold at either site; a block stands, with the flag | [ ] |

What nobody recorded (temperature, onset, filters, supramaximality elsewhere) is a caveat and stops nothing."""

_SUPPORT: Final = """\
## Support for MMN

Categories of EFNS/PNS 2010 (recalled; "block in at least one nerve" verified); other grading sets use the same
mapping. Only findings count, never grades in doubt; a nerve means nerve and side. E3: the nerve's own sensory
nerve, same side, is normal; of several the worst counts. The first line that applies is the grade.

| Grade | Needs | OK |
|---|---|---|
| against | a block and upper motor neuron signs, or a block whose own sensory nerve is abnormal or absent | [ ] |
| definite | definite block with E3 in at least one nerve | [ ] |
| probable | probable block with E3 in two nerves, or in one with two of: anti-GM1 IgM, CSF protein raised but below 1 g/L, plexus MRI abnormal, response to IVIg | [ ] |
| possible | probable block with E3 in one nerve | [ ] |
| not assessable | a block whose sensory nerve was not recorded, or no segment that could be judged | [ ] |
| none | otherwise | [ ] |

A block where the response falls in health (tibial nerve at the knee) counts for no nerve. Sensory results at a known entrapment
count as not recorded. Conduction-block rules are never applied to SNAPs."""

_SENSORY: Final = """\
## Sensory results

| Result | When | OK |
|---|---|---|
| normal | amplitude at or above its limit, every recorded latency and velocity that the table limits within it | [ ] |
| abnormal_at_entrapment | median: peak latency above its limit; ulnar: abnormal while the elbow segment meets the grading set's block numbers or is slower than the table's limit there | [ ] |
| abnormal | anything else beyond a limit | [ ] |
| absent | stimulated, no response | [ ] |
| not_assessable | no limit for this site pair, or a cold limb and otherwise normal | [ ] |

Amplitude limits apply at any distance, latency limits near the table's distance, none of the latencies and
velocities in a cold limb."""

_DEMYELINATION: Final = """\
## Signs of demyelination, for the differential

Strong: an item in two nerves, or block or distal duration in one beside another item in another nerve; weak: an
item in one nerve. Compression sites and cold limbs count for nothing, nor does the distal latency of a median
nerve whose own SNAP is not normal. F waves are not judged."""

_NOT_JUDGED: Final = """\
## Deliberately not judged

- F waves, H reflexes, needle EMG, repetitive stimulation: not recorded by this product.
- Strength, reflexes, course: the clinical criteria of MMN stay with the physician.
- Axillary and femoral nerves: one stimulation site, nothing to compare.
- Block of a SNAP, or any proximal to distal rule for sensory potentials.
- Correction of latencies or velocities for temperature: a cold limb is warmed, not calculated.
- Norms by age, height or body mass where the table's strata are unverified.
- Change between examinations and under treatment.
- Collision, root stimulation, high-voltage stimulation: what they show has to be entered by the physician."""


def sheet(reference: Reference) -> str:
    """The whole sheet."""
    parts = [
        _OPENING,
        _MEASURED,
        _anatomy(reference.anatomy),
        *_criteria(reference.criteria, reference.grading),
        _STEPS,
        _thresholds(reference.thresholds),
        _SENSORY,
        *_norms(reference.norms),
        _SUPPORT,
        *_differential(reference.differentials),
        _plan(reference.plan),
        _NOT_JUDGED,
    ]
    return "\n\n".join(parts) + "\n"


def _table(header: Row, rows: Iterable[Row]) -> str:
    lines = [(*header, "OK"), ("---",) * (len(header) + 1), *((*row, _BOX) for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _anatomy(anatomy: Anatomy) -> str:
    excluded = [
        _special(nerve, entry, "never counts")
        for nerve, known in anatomy.nerves.items()
        for entry in known.excluded
    ]
    falls = [
        _special(nerve, entry, "a block there counts for no nerve")
        for nerve, known in anatomy.nerves.items()
        for entry in known.physiological
    ]
    sensory = [
        (nerve, " or ".join(plain(name) for name in known.sensory_nerves))
        for nerve, known in anatomy.nerves.items()
        if known.sensory_nerves
    ]
    header = ("Nerve", "Segment", "Why", "Effect", "Source")
    return "\n\n".join(
        [
            "## Segments of their own kind",
            _table(header, [*excluded, *falls]),
            _CONTAMINATED,
            _table(("Motor nerve", "Its own sensory nerve"), sensory),
        ]
    )


def _special(nerve: str, entry: NamedSegment, effect: str) -> Row:
    return nerve, f"{plain(entry.distal)} to {plain(entry.proximal)}", entry.why, effect, entry.source


def _criteria(sets: Sequence[CriteriaSet], grading: str) -> Iterator[str]:
    yield f"## Criteria for conduction block\n\nFindings follow `{grading}`; the others stand beside it."
    for entry in sets:
        yield f"### `{entry.id}`: {entry.title}"
        remark = f" {entry.remark[:1].upper()}{entry.remark[1:]}." if entry.remark else ""
        yield f"Source: {entry.source}. Status: {entry.status}.{remark}"
        yield _table(("Rule", "Says"), _rules(entry))


def _rules(entry: CriteriaSet) -> Iterator[Row]:
    nerves, segments = listed(entry)
    yield "lists", f"nerves: {nerves}" + (f"; segments: {segments}" if segments else "")
    for text, limit in floors(entry):
        yield "floor", f"{text} ({limit.source}; {limit.status})"
    for rule in entry.rules:
        narrowed = "; ".join(scope(rule))
        conditions = " and ".join(map(condition, rule.conditions))
        yield plain(rule.grade), conditions + (f" ({narrowed})" if narrowed else "")


def _thresholds(thresholds: Thresholds) -> str:
    rows = []
    for field in fields(thresholds):
        entry = getattr(thresholds, field.name)
        rows.append((f"`{field.name}`", f"{entry.value:g}", entry.source, entry.status))
    return "### Thresholds\n\n" + _table(("Threshold", "Value", "Source", "Status"), rows)


def _norms(norms: NormTable) -> Iterator[str]:
    yield f"### Norms: `{norms.id}`, {norms.title}\n\nSource: {norms.source}. Technique: {norms.technique}."
    header = ("Nerve", "Muscle", "For", "Amplitude mV", "Latency ms (at mm)", "Velocity m/s", "Status")
    yield _table(header, [_motor_row(row) for row in norms.motor])
    header = ("Nerve", "Sites", "For", "Amplitude uV", "Latency ms (at mm)", "Velocity m/s", "Status")
    yield _table(header, [_sensory_row(row) for row in norms.sensory])
    if not norms.use_unverified:
        yield "Rows of unverified numbers are off."


def _motor_row(row: MotorNorm) -> Row:
    velocities = ", ".join(
        f"{plain(entry.distal)} to {plain(entry.proximal)} >= {entry.limit_m_s:g}" for entry in row.velocities
    )
    return (
        row.nerve,
        row.muscle,
        _stratum(row.stratum),
        _limit(">=", row.amplitude_mv),
        _limit("<=", row.onset_latency_ms) + _at(row.distance_mm),
        velocities or "-",
        row.status,
    )


def _sensory_row(row: SensoryNorm) -> Row:
    latencies = [("onset", row.onset_latency_ms), ("peak", row.peak_latency_ms)]
    shown = [f"{name} <= {limit:g}" for name, limit in latencies if limit is not None]
    sites = f"{' or '.join(row.stimulation_sites)} to {row.recording_site}"
    return (
        plain(row.nerve),
        plain(sites),
        _stratum(row.stratum),
        _limit(">=", row.amplitude_uv),
        (", ".join(shown) or "-") + _at(row.distance_mm),
        _limit(">=", row.velocity_m_s),
        row.status,
    )


def _limit(op: str, value: float | None) -> str:
    return "-" if value is None else f"{op} {value:g}"


def _at(distance_mm: float | None) -> str:
    return "" if distance_mm is None else f" ({distance_mm:g})"


def _stratum(stratum: Stratum | None) -> str:
    if stratum is None:
        return "everybody"
    parts = []
    if stratum.age_years:
        parts.append(f"{stratum.age_years[0]:g} to {stratum.age_years[1]:g} years")
    for name, ends, unit in (("height", stratum.height_cm, " cm"), ("BMI", stratum.bmi, "")):
        if ends:
            below = "" if ends[1] == _OPEN_END else f" below {ends[1]:g}{unit}"
            parts.append(f"{name}{f' from {ends[0]:g}{unit}' if ends[0] else ''}{below}")
    if stratum.sex:
        parts.append({"F": "women", "M": "men"}[stratum.sex])
    return ", ".join(parts)


def _differential(lists: Sequence[DemyelinationCriteria]) -> Iterator[str]:
    yield _DEMYELINATION
    for entry in lists:
        tibial, least = entry.tibial_dispersion_percent, entry.dispersion_distal_percent
        rows = [
            ("distal latency", f">= {entry.latency_above_percent:g} % above the norm table's limit"),
            ("velocity", f">= {entry.velocity_below_percent:g} % below the norm table's limit"),
            ("block", f"`{entry.block_set}`, no gate against it"),
            (
                "dispersion",
                f"duration increase > {entry.dispersion_percent:g} %"
                + (f" (tibial >= {tibial:g} %)" if tibial else "")
                + (f", distal amplitude >= {least:g} % of the lower limit (unverified)" if least else ""),
            ),
        ]
        op = ">=" if entry.duration_at_limit_counts else ">"
        rows += [
            (
                "distal duration",
                f"{limit.nerve} {limit.muscle} {op} {limit.limit_ms:g} ms"
                + (f" at a low filter of {limit.low_filter_hz:g} Hz" if limit.low_filter_hz else ""),
            )
            for limit in entry.durations
        ]
        yield f"### `{entry.id}`: {entry.title}\n\nSource: {entry.source}. Status: {entry.status}."
        yield _table(("Item", "Says"), rows)


def _plan(plan: ExaminationPlan) -> str:
    motor = [
        ("motor", item.nerve, item.muscle, ", ".join(map(plain, item.sites)), ", ".join(item.sides))
        for item in plan.motor
    ]
    sensory = [("sensory", plain(item.nerve), "-", "any", ", ".join(item.sides)) for item in plan.sensory]
    header = ("Kind", "Nerve", "Muscle", "Sites", "Sides")
    title = "## A complete examination\n\n"
    return title + f"Source: {plan.source}. Status: {plan.status}.\n\n" + _table(header, [*motor, *sensory])
