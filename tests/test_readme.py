"""What the documents say is tried: their commands, their transcript, their links, the paths they name."""

import importlib
import re
import shlex
import tomllib
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest

from gateway import ports
from gateway.commands.main import run
from tests.checkout import ROOT, checkout

README = ROOT / "README.md"
ARCHITECTURE = ROOT / "docs" / "architecture.md"
DRIVERS = ROOT / "docs" / "drivers.md"
DOCUMENTS = [README, ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
SHOWN = [*DOCUMENTS, *sorted((ROOT / "config").glob("*.toml"))]
# What the script does itself; everything else is the program's.
SCRIPT = {"test", "check"}

PYPROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


def blocks(document: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", document.read_text("utf-8"), re.MULTILINE | re.DOTALL)


def pattern(transcript: str) -> str:
    """A transcript as a pattern: `…` is any text of a line, and alone on a line any number of lines."""
    lines = [
        r"(?:.*\n)*?" if line == "…" else ".*".join(map(re.escape, line.split("…"))) + r"\n"
        for line in transcript.splitlines()
    ]
    return "".join(lines)


@pytest.mark.parametrize("transcript", blocks(README, "console"))
def test_the_transcript_is_what_happens(tmp_path: Path, transcript: str) -> None:
    command, _, output = transcript.partition("\n")
    prompt, program, *arguments = shlex.split(command)
    assert (prompt, program) == ("$", "./emg")

    code, out, _ = checkout(tmp_path).run(*arguments)

    assert code == 0
    assert re.fullmatch(pattern(output), out), out


@pytest.mark.parametrize(
    ("transcript", "output", "matches"),
    [
        ("a … c\n", "a b c\n", True),
        ("a … c\n", "a b\nc\n", False),
        ("a\n…\nz\n", "a\nz\n", True),
        ("a\n…\nz\n", "a\nb\nc\nz\n", True),
        ("a\n…\nz\n", "a\nb\n", False),
        ("a.c\n", "abc\n", False),
    ],
)
def test_three_dots_stand_for_what_differs_from_run_to_run(
    transcript: str, output: str, matches: bool
) -> None:
    assert bool(re.fullmatch(pattern(transcript), output)) == matches


def commands(document: Path) -> Iterator[list[str]]:
    """The words of every command of ours that a document shows, behind the program's name."""
    text = document.read_text("utf-8")
    for line in re.findall(r"(?:\./emg|[`:] ?emg-gateway) ([a-z][^`\n]*)", text):
        yield shlex.split(line, comments=True)


@pytest.mark.parametrize("document", [document for document in SHOWN if any(commands(document))])
def test_every_command_that_is_shown_exists_with_its_options(
    document: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for words in commands(document):
        if words[0] in SCRIPT:
            assert f"\n{words[0]})\n" in (ROOT / "emg").read_text("utf-8")
            continue
        names = words[: 2 if words[0] in {"config", "hl7", "mqtt", "outbox", "store", "studies"} else 1]
        assert run([*names, "--help"]) == 0, words
        explained = capsys.readouterr().out
        assert [word for word in words if word.startswith("-") and word not in explained] == []


def links(document: Path) -> list[str]:
    found = re.findall(r"\]\(([^)\s#]+)[^)]*\)", document.read_text("utf-8"))
    return [target for target in found if "://" not in target]


@pytest.mark.parametrize("document", [document for document in DOCUMENTS if links(document)])
def test_every_link_leads_somewhere(document: Path) -> None:
    targets = {target: document.parent / target for target in links(document)}
    # A folder without files is none once it has been through version control.
    there = {
        name for name, path in targets.items() if path.is_file() or (path.is_dir() and any(path.iterdir()))
    }
    assert set(targets) - there == set()


def exists(name: str) -> bool:
    """Whether the repository or the package has a file, a module or a folder of this name."""
    places = [ROOT / name, ROOT / "gateway" / name]
    return any(path.exists() or path.with_name(f"{path.name}.py").exists() for path in places)


def test_every_path_of_the_architecture_is_there() -> None:
    named = re.findall(r"`([a-z_]+(?:/[a-z_0-9.]+)+)`", ARCHITECTURE.read_text("utf-8"))
    assert len(named) > 10
    assert [name for name in named if not exists(name)] == []


def test_the_tree_of_the_architecture_is_the_tree() -> None:
    (tree,) = blocks(ARCHITECTURE, "")
    lines = [line.split()[0].rstrip("/") for line in tree.splitlines()]
    assert [name for name in lines if not exists(name)] == []
    drawn = {name for line, name in zip(tree.splitlines(), lines, strict=True) if line.startswith("  ")}
    built = {path.stem for path in (ROOT / "gateway").iterdir() if not path.name.startswith(("_", "."))}
    assert built - drawn == set()


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_name_of_the_package_can_be_imported(document: Path) -> None:
    for name in re.findall(r"`(gateway(?:\.[a-z_]+)+)(?:\.([A-Z]\w+))?`", document.read_text("utf-8")):
        module, attribute = name
        assert hasattr(importlib.import_module(module), attribute or "__doc__")


def test_what_a_driver_is_told_to_use_is_there() -> None:
    text = DRIVERS.read_text("utf-8")
    told = set(re.findall(r"`(?:intake\.)?(unfinished|accept|deliver|close|open)(?:\(\))?`", text))
    assert told >= {"unfinished", "accept", "deliver"}
    assert all(hasattr(ports.Intake, name) for name in told)


def declared() -> dict[str, dict[str, str]]:
    project = PYPROJECT["project"]
    groups: dict[str, dict[str, str]] = project["entry-points"]
    return {**groups, "console_scripts": project["scripts"]}


def test_the_driver_guide_declares_the_groups_that_are_looked_in() -> None:
    for example in blocks(DRIVERS, "toml"):
        (group,) = tomllib.loads(example)["project"]["entry-points"]
        assert group in declared()
        assert list(entry_points(group=group))


@pytest.mark.parametrize(
    ("group", "name", "value"),
    [(group, name, value) for group, names in declared().items() for name, value in names.items()],
)
def test_every_entry_point_loads_and_is_the_installed_one(group: str, name: str, value: str) -> None:
    module, _, attribute = value.partition(":")
    (entry,) = [entry for entry in entry_points(group=group, name=name) if entry.value == value]
    assert entry.load() is getattr(importlib.import_module(module), attribute)


def test_the_python_that_is_asked_for_is_the_one_that_is_needed() -> None:
    wanted = PYPROJECT["project"]["requires-python"].removeprefix(">=")
    assert f"Python {wanted} or newer" in README.read_text("utf-8")
    assert f"sys.version_info < ({wanted.replace('.', ', ')})" in (ROOT / "emg").read_text("utf-8")
