"""Derivations: how every finding and every sensory result came about, step by step, with the sources.

Nothing is graded here. A derivation repeats what the functions that graded were given and what they
answered, as data and as text.
"""

from gateway.domain.derivation.segment import disagreement, segment_derivation
from gateway.domain.derivation.sensory import sensory_derivation
from gateway.domain.derivation.steps import Step, lines, step_object

__all__ = ["Step", "disagreement", "lines", "segment_derivation", "sensory_derivation", "step_object"]
