"""A copy of what `./emg` needs of a checkout, with stand-ins for the programs it sets itself up with."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
COMMAND = f'exec {sys.executable} -m gateway "$@"'
_NEEDED = ("sh", "cat", "cksum", "chmod", "cp", "dirname", "flock", "mkdir", "rm")

# Each notes how it was called; `python -m venv DIR` and `uv venv … DIR` make the same environment.
_PYTHON = """\
#!/bin/sh
tools={tools}
case "$1 $2" in
--version*) echo Python 3.11.9 ;;
"-m venv") echo "python $*" >>"$tools/calls"; mkdir -p "$3/bin"; cp "$tools"/program/* "$3/bin/" ;;
"-c import pip") [ ! -e "$tools/pipless" ] ;;
"-m pip") echo "python $*" >>"$tools/calls"; [ ! -e "$tools/offline" ] ;;
"-m pytest") echo "$*" ;;
esac
"""
_UV = """\
#!/bin/sh
echo "uv $*" >>{tools}/calls
case "$1" in
venv) for last; do :; done; mkdir -p "$last/bin"; cp {tools}/program/* "$last/bin/" ;;
*) [ ! -e {tools}/offline ] ;;
esac
"""


@dataclass(frozen=True)
class Checkout:
    """The checkout, and beside it the only programs it finds."""

    folder: Path
    tools: Path

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        """`./emg ARGUMENTS`, from another folder."""
        return subprocess.Popen(
            [str(self.folder / "emg"), *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd="/",
            env={**os.environ, "PATH": str(self.tools), "PYTHONPATH": str(ROOT)},
        )

    def run(self, *arguments: str) -> tuple[int, str, str]:
        """What `./emg ARGUMENTS` ends with: its exit code and both its outputs."""
        with self.start(*arguments) as program:
            out, err = program.communicate()
        return program.returncode, out, err

    def calls(self) -> list[str]:
        """How the programs were called that set it up, since the last time somebody asked."""
        noted = self.tools / "calls"
        lines = noted.read_text("utf-8").splitlines() if noted.exists() else []
        noted.unlink(missing_ok=True)
        return lines


def checkout(folder: Path, program: str = COMMAND, *, uv: bool = True) -> Checkout:
    """A fresh checkout below `folder`; the emg-gateway it installs is the shell script `program`."""
    here = Checkout(folder / "checkout", folder / "tools")
    here.folder.mkdir()
    for name in ("emg", "pyproject.toml"):
        shutil.copy(ROOT / name, here.folder / name)
    shutil.copytree(ROOT / "requirements", here.folder / "requirements")
    (here.tools / "program").mkdir(parents=True)
    for name in _NEEDED:
        (here.tools / name).symlink_to(shutil.which(name) or f"/{name}-is-missing")
    _script(here.tools / "python3", _PYTHON.format(tools=here.tools))
    _script(here.tools / "program" / "python", _PYTHON.format(tools=here.tools))
    _script(here.tools / "program" / "emg-gateway", f"#!/bin/sh\n{program}\n")
    if uv:
        _script(here.tools / "uv", _UV.format(tools=here.tools))
    return here


def _script(path: Path, text: str) -> None:
    path.write_text(text, "utf-8")
    path.chmod(0o755)
