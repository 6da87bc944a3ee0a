"""How well curves are marked: sweeps whose truth is known, the errors of the marks, what a mark costs."""
