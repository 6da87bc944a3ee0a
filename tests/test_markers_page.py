"""`docs/markers.md` says what the code says."""

from pathlib import Path

from gateway.domain.quality import MEANINGS

PAGE = Path(__file__).parent.parent / "docs" / "markers.md"


def test_the_page_lists_every_quality_code_as_the_code_has_it() -> None:
    section = PAGE.read_text("utf-8").partition("## What is said of a signal")[2].partition("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| `")]

    assert rows == [
        f"| `{name}` | {meaning.what} | {meaning.unit or ''} | {meaning.advice} |"
        for name, meaning in MEANINGS.items()
    ]
