"""The row of a norm table as a source: of whom it holds, in which technique, how sure its numbers are."""

import math

from gateway.domain.derivation.steps import Cited, number
from gateway.domain.norms import MotorNorm, NormTable, SensoryNorm, Stratum
from gateway.domain.wording import plain, site


def norm_row(norms: NormTable, row: MotorNorm | SensoryNorm) -> Cited:
    """The row with its table."""
    over = site(row.muscle if isinstance(row, MotorNorm) else row.recording_site)
    group = f", {_group(row.stratum)}" if row.stratum else ""
    what = f"norm table {norms.id}, row {plain(row.nerve)} over {over}{group}"
    return Cited(what=what, source=norms.source, status=row.status)


def _group(stratum: Stratum) -> str:
    """The people a row holds for."""
    words = []
    if stratum.age_years:
        words.append(f"{number(stratum.age_years[0])} to {number(stratum.age_years[1])} years")
    for ends, unit in ((stratum.height_cm, "cm"), (stratum.bmi, "kg/m2")):
        if ends:
            words.append(_range(ends, unit))
    if stratum.sex:
        words.append({"F": "women", "M": "men"}[stratum.sex])
    return ", ".join(words)


def _range(ends: tuple[float, float], unit: str) -> str:
    least, below = ends
    return (
        f"from {number(least)} {unit}"
        if math.isinf(below)
        else f"{number(least)} to below {number(below)} {unit}"
    )
