"""What the code does in each step, in a neurophysiologist's words: the prose of the sheet of `criteria`.

Whoever changes how recordings are judged says so here; limits and lists come from the loaded data.
"""

from typing import Final

OPENING: Final = """\
# What is judged, and by what

For the neurophysiologist who signs off an installation. emg-gateway grades electrodiagnostic support for
multifocal motor neuropathy (MMN), preliminary in every case. "Cannot be judged" is a proper result.
`emg-gateway criteria --config FILE` prints this sheet with a laboratory's own criteria, norms and thresholds.

Status of a number: **given** by the product's owner, **verified** against the source named (mostly an abstract
or excerpt), **recalled** with confidence and not yet compared with the paper (a caveat in every assessment
that uses it), **unverified** (criteria sets and norm rows: off; thresholds of gates: engineering settings)."""

MEASURED: Final = """\
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
  later replaces the earlier, and a change beyond `electrode_drift_percent` is told.
- **A quantity is missing.** Not assessable under a set that asks for it, unless a rule of the same grade holds
  without it: a missing area is not a normal one.
- **No response.** What the cart calls absent is. In a curve that we mark a response is absent only where the
  sweep lasts until a slow one would have begun: distally `latest_distal_onset_ms` after the stimulus, proximally
  the onset of the next distal response and the distance (or `longest_segment_mm`) at `slowest_conduction_m_s`, a
  SNAP its distance (or `usual_sensory_distance_mm`) at that speed. A shorter sweep shows nothing either way,
  and a longer one is asked for.
- **No proximal response.** Reductions 100 %, no duration: the highest grade of the set, but only where the
  stimulus there was flagged supramaximal; else in doubt. **No distal response**: not assessable.
- **Proximal response larger**, by more than `proximal_larger_percent`. No block, and no velocity.
- **Positions along the nerve.** Beside a site without one a position marks a step of inching, a short segment.
  Where every CMAP of a muscle has one, the most distal of each named site is that site itself, and its position
  the distance to the electrode. Every segment between two named sites is long."""

CONTAMINATED: Final = """\
A longer segment that contains a whole excluded one is contaminated: it does not count either, and the missing
site is asked for. A site on the edge lies outside. A nerve stimulated over a muscle of another nerve shows an
anastomosis; it is not listed by any set. A site off the course of a nerve (behind the lateral malleolus) bounds
no segment: where the knee answers more than the ankle, a response from there over the same muscle shows an
accessory fibular nerve, none excludes it."""

STEPS: Final = """\
## In which order

1. Excluded or contaminated segment, then nerve or segment that the set does not list, then the set's own floor
   and missing quantities: not assessable.
2. Gates. Each turns a block into `indeterminate`; a cold limb and other filters or electrodes also turn "none"
   into "not assessable".
3. Nerve, then its own sensory nerve, then the clinical facts.

| Gate | When | OK |
|---|---|---|
| `submaximal` | proximal stimulus flagged not supramaximal; or not flagged and the last step of current still added `plateau_percent` or more; or flagged supramaximal and a stronger current added as much | [ ] |
| `erb_unproven`, `supramaximal_unproven` | not flagged at Erb's point, at the popliteal fossa | [ ] |
| `no_proximal_response` | nothing answers proximally, and the stimulus there was not flagged supramaximal | [ ] |
| `martin_gruber_not_excluded` | ulnar nerve, wrist to below elbow, any muscle, until the median nerve was stimulated at wrist and elbow over the same muscle and the elbow gains less than `martin_gruber_excluded_percent` of the ulnar loss over the wrist, by a stimulus at the elbow that was not too weak | [ ] |
| `martin_gruber_demonstrated` | the median elbow exceeds the median wrist by `martin_gruber_gain_mv` and `martin_gruber_gain_percent` of the ulnar loss, by a stimulus at the wrist that was not too weak | [ ] |
| `costimulation_suspected` | distal shape unlike the proximal one, and shorter proximally or with a positive dip only distally | [ ] |
| `dispersed_complex` | the proximal response has several negative phases, together longer than distally by more than `dispersion_percent`: only the first phase is compared. Not where marks of a machine alone show the dispersion in the first phase: the sets judge that | [ ] |
| `acute_onset` | symptoms younger than the threshold | [ ] |
| `filter_mismatch` | filters, notch or electrodes known at both sites and different | [ ] |
| `temperature_low` | skin colder than the threshold at either site; a block stands, with the flag | [ ] |

What nobody recorded (temperature, onset, filters, supramaximality elsewhere) is a caveat and stops nothing; so
is another gain, and a response of which we are not certain."""

SUPPORT: Final = """\
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
| none | otherwise; a nerve that the set lists and of which no segment could be judged is named (`not_judged`) | [ ] |

A block where the response falls in health (tibial nerve at the knee) counts for no nerve. Sensory results at a known entrapment
count as not recorded. Conduction-block rules are never applied to SNAPs."""

SENSORY: Final = """\
## Sensory results

| Result | When | OK |
|---|---|---|
| normal | amplitude at or above its limit, every recorded latency and velocity that the table limits within it | [ ] |
| abnormal_at_entrapment | median: peak latency above its limit; ulnar: abnormal while the elbow segment meets the grading set's block numbers or is slower than the table's limit there | [ ] |
| abnormal | anything else beyond a limit | [ ] |
| absent | stimulated, no response | [ ] |
| not_assessable | no limit for this site pair, no amplitude, a curve that cannot be marked, or a cold limb and otherwise normal | [ ] |

Amplitude limits apply at any distance, latency limits within `latency_distance_mm` of the table's distance, none
of the latencies and velocities in a cold limb. A value of ours whose 95 % interval reaches its limit is flagged
`on_the_limit`; of a cart's marks nobody knows the error. Caveats that change no result: a limit that could not be
applied, an amplitude more than `side_difference_percent` below that of the other side, an amplitude read beside an
artefact, mains hum or an unsteady baseline."""

DEMYELINATION: Final = """\
## Signs of demyelination, for the differential

Strong: an item in two nerves, or block or distal duration in one beside another item in another nerve; weak: an
item in one nerve. Compression sites and cold limbs count for nothing, nor does the distal latency of a median
nerve whose own SNAP is not normal. F waves are not judged."""

PATTERN: Final = """\
## Pattern, and what else could explain it

Told beside the support, changing no grade: the blocked nerves, how many in arms and legs, and whether a nerve
is blocked on one side only (where the other was judged)."""

MIMICKED_BY: Final = {
    "motor_neuron_disease": "upper motor neuron signs; or the distal response below its limit in two nerves or"
    " more, no block, and every SNAP that was judged normal",
    "cidp": "strong signs of demyelination by one of the lists below, with an item beside block",
    "multifocal_cidp": "a block whose own sensory nerve is abnormal or absent",
    "entrapment": "a SNAP abnormal at an entrapment, or the grading set's block numbers at a compression site",
    "acute_axonal_lesion": "the numbers of a block behind the gate `acute_onset`",
    "martin_gruber_anastomosis": "the numbers of a block behind the gate `martin_gruber_demonstrated`",
}

GUIDANCE: Final = """\
## What is asked for during the examination

Recordings that would change what is found, in this order: those that settle a block in doubt; the sensory nerve
of a block, then of a block in doubt; what a block leaves open; what could not be judged. Each disappears when it
is recorded or stated, in any order; one that is declined becomes a caveat with its reason. What only time or the
physician can settle asks for nothing."""

NOT_JUDGED: Final = """\
## Deliberately not judged

- F waves, H reflexes, needle EMG, repetitive stimulation: not recorded by this product.
- Strength, reflexes, course: the clinical criteria of MMN stay with the physician.
- Axillary and femoral nerves: one stimulation site, nothing to compare.
- Block of a SNAP, or any proximal to distal rule for sensory potentials.
- Correction of latencies or velocities for temperature: a cold limb is warmed, not calculated.
- Norms by age, height or body mass where the table's strata are unverified.
- Change between examinations and under treatment.
- Collision, root stimulation, high-voltage stimulation: what they show has to be entered by the physician."""
