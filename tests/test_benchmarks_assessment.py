"""The benchmark of assessments: what it measures, and that the work it measures does not grow unseen.

A time is that of a machine on one day. The number of calls is that of the code.
"""

import sys
from types import FrameType

from benchmarks.assessment.__main__ import study
from gateway.pipeline.stages import assessment, examine
from tests.factories import reference

# 3,250 of Python and 1,800 of C with Python 3.11, and a tenth; later ones make fewer.
MOST_CALLS = 5_600


def test_twelve_segments_and_eight_snaps_are_assessed() -> None:
    found = examine(study(), reference())

    assert (len(found.findings), len(found.sensory), len(reference().criteria)) == (12, 8, 8)
    assert str(found.mmn.support) == "definite"


def test_assessing_a_whole_study_makes_few_calls() -> None:
    made = 0

    def count(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal made
        made += event in ("call", "c_call")

    assessment(examine(study(), reference()), reference())  # what reference data says is looked up once
    whole, before = study(), sys.getprofile()
    sys.setprofile(count)
    try:
        assessment(examine(whole, reference()), reference())
    finally:
        sys.setprofile(before)

    assert 1_000 < made <= MOST_CALLS
