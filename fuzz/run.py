"""`python fuzz/run.py TARGET [ARGUMENTS]`: feed one target with atheris; ARGUMENTS go to libFuzzer.

What is found and what was learned stay under `build/fuzz/TARGET`.
"""

import sys
from pathlib import Path

import atheris

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

with atheris.instrument_imports(include=["gateway", "drivers", "pydicom"]):
    from fuzz.seeds import seeds
    from fuzz.targets import TARGETS

# One input may take seconds on a slow machine, never half a minute; and never so much memory.
BOUNDS = ("-timeout=30", "-rss_limit_mb=1024", "-max_len=8192")


def main() -> None:
    """Write the seeds and fuzz until the arguments say it is enough."""
    name, *arguments = [*sys.argv[1:], ""][: max(1, len(sys.argv) - 1)]
    if name not in TARGETS:
        sys.exit(f"usage: python fuzz/run.py TARGET [ARGUMENTS]; targets: {', '.join(TARGETS)}")
    corpus = ROOT / "build" / "fuzz" / name / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(seeds(name)):
        (corpus / f"seed-{number}").write_bytes(seed)
    found = f"-artifact_prefix={corpus.parent}/"
    atheris.Setup([sys.argv[0], *BOUNDS, found, *arguments, str(corpus)], TARGETS[name])
    atheris.Fuzz()


if __name__ == "__main__":
    main()
