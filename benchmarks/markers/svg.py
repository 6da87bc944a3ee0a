"""Curves with their marks, drawn as SVG by hand.

Each panel shows the sweep as recorded (grey) and the clean wave (black), scaled to the clean wave. O, P and
R are onset, peak and return: from the top, in black, where they are true; from the foot, in red, where they
were marked; the light line is the baseline. Curves are thinned to the least and the greatest of every few
samples: the file stays small.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from benchmarks.markers.pictures import Strip
from benchmarks.markers.truth import Drawn, Floats
from gateway.domain.recording import Marks

_COLUMNS: Final = 5
_WIDTH: Final = 190.0
_HEIGHT: Final = 110.0
_GAP: Final = 12.0
_HEADING: Final = 24.0
_CAPTION: Final = 14.0
_TICK: Final = 14.0
_PIECES: Final = 110
_ROOM: Final = 0.2  # of the wave's height, above and below it
_STYLE: Final = (
    "text{font:9px sans-serif;fill:#000}.h{font:bold 13px sans-serif}.m text{fill:#c00}"
    "path{fill:none;stroke:#000}path.z{stroke:#ddd}.r{stroke:#9bd}"
    ".m path{stroke:#c00}.b{fill:none;stroke:#ccc}"
)


def picture(title: str, panels: Iterable[tuple[Strip, Sequence[tuple[Drawn, Marks | None]]]]) -> str:
    """The strips one below the other: a heading, and sweeps with the marks found; None: not marked."""
    body, top = [], _GAP
    for strip, members in panels:
        body.append(f'<text class="h" x="{_GAP:.0f}" y="{top + _GAP:.0f}">{strip.title}</text>')
        top += _HEADING
        for place, (drawn, marks) in enumerate(members):
            row, column = divmod(place, _COLUMNS)
            left, down = _GAP + column * (_WIDTH + _GAP), top + row * (_HEIGHT + _CAPTION + _GAP)
            body.append(f'<g transform="translate({left:.0f} {down:.0f})">')
            body += [*_panel(drawn, marks), "</g>"]
        top += -(-len(members) // _COLUMNS) * (_HEIGHT + _CAPTION + _GAP)
    width = _GAP + _COLUMNS * (_WIDTH + _GAP)
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {top:.0f}" role="img">',
        f"<title>{title}</title>",
        f"<style>{_STYLE}</style>",
        f'<clipPath id="p"><rect width="{_WIDTH:.0f}" height="{_HEIGHT:.0f}"/></clipPath>',
        f'<rect width="{width:.0f}" height="{top:.0f}" fill="#fff"/>',
    )
    return "\n".join((*head, *body, "</svg>", ""))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scale:
    """From ms and uV to the panel."""

    start_ms: float
    end_ms: float
    top_uv: float
    bottom_uv: float

    def right(self, times_ms: Floats) -> Floats:
        """How far from the left edge."""
        return (times_ms - self.start_ms) * (_WIDTH / (self.end_ms - self.start_ms))

    def down(self, uv: Floats) -> Floats:
        """How far from the top, at most a little outside."""
        down: Floats = (self.top_uv - uv) * (_HEIGHT / (self.top_uv - self.bottom_uv))
        return np.clip(down, -_GAP, _HEIGHT + _GAP)


def _panel(drawn: Drawn, marks: Marks | None) -> Iterator[str]:
    times_ms, clean_uv = drawn.waveform.times_ms, drawn.clean_uv
    room_uv = _ROOM * float(clean_uv.max())
    scale = _Scale(
        start_ms=float(times_ms[0]),
        end_ms=float(times_ms[-1]),
        top_uv=float(clean_uv.max()) + room_uv,
        bottom_uv=float(clean_uv.min()) - room_uv,
    )
    offset_uv = float(np.median(drawn.waveform.microvolts - clean_uv))
    yield f'<rect class="b" width="{_WIDTH:.0f}" height="{_HEIGHT:.0f}"/><g clip-path="url(#p)">'
    zero = scale.down(np.zeros(1))[0]
    yield f'<path class="z" d="M0 {zero:.1f}H{_WIDTH:.0f}"/>'
    yield _curve("r", times_ms, drawn.waveform.microvolts - offset_uv, scale)
    yield _curve("c", times_ms, clean_uv, scale)
    yield from _ticks("t", _places(drawn.truth.marks(drawn.modality) if drawn.truth else None), scale)
    yield "</g>"
    yield from _ticks("m", _places(marks), scale)
    height_mv, longest_ms = float(clean_uv.max()) / 1000.0, float(times_ms[-1])
    if marks is None:
        yield f'<g class="m"><text x="4" y="{_HEIGHT - 4.0:.0f}">not marked</text></g>'
    caption = f"seed {drawn.seed}, peak {height_mv:.3g} mV, to {longest_ms:.0f} ms"
    yield f'<text y="{_HEIGHT + _CAPTION - 3.0:.0f}">{caption}</text>'


def _curve(name: str, times_ms: Floats, uv: Floats, scale: _Scale) -> str:
    """The curve by the least and the greatest of each piece, in the order in which they come."""
    pieces = np.array_split(np.arange(uv.size), min(_PIECES, uv.size))
    extremes = [sorted({piece[uv[piece].argmin()], piece[uv[piece].argmax()]}) for piece in pieces]
    kept = np.concatenate(extremes)
    right, down = scale.right(times_ms[kept]), scale.down(uv[kept])
    points = " ".join(f"{x:.1f} {y:.1f}" for x, y in zip(right, down, strict=True))
    return f'<path class="{name}" d="M{points}"/>'


def _places(marks: Marks | None) -> Mapping[str, float]:
    """When onset, peak and return are, ms, as far as they are known."""
    if marks is None:
        return {}
    onset_ms, duration_ms = marks.onset_latency_ms, marks.negative_duration_ms
    return_ms = None if onset_ms is None or duration_ms is None else onset_ms + duration_ms
    places = {"O": onset_ms, "P": marks.peak_latency_ms, "R": return_ms}
    return {letter: at for letter, at in places.items() if at is not None}


def _ticks(name: str, places: Mapping[str, float], scale: _Scale) -> Iterator[str]:
    """A tick with its letter at each place: the true ones hang from the top, ours stand on the foot."""
    end, begin, line = (
        (0.0, _TICK, _TICK + 9.0) if name == "t" else (_HEIGHT, _HEIGHT - _TICK, _HEIGHT - _TICK - 2.0)
    )
    yield f'<g class="{name}">'
    for letter, x in zip(places, scale.right(np.array([*places.values()])), strict=True):
        tick = f'<path d="M{x:.1f} {end:.0f}V{begin:.0f}"/>'
        yield f'{tick}<text x="{x - 3.0:.1f}" y="{line:.0f}">{letter}</text>'
    yield "</g>"
