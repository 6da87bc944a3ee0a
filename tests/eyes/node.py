"""simple-hl7 under node, installed once for each content of the lock file beside this."""

import base64
import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import pytest

from tests.checkout import ROOT

HERE = Path(__file__).parent
FILES = ("package.json", "package-lock.json", "read.js")
DEADLINE_S = 120

Segments = list[tuple[str, list[list[list[str]]]]]  # name; fields of repetitions of components


def read(messages: Sequence[bytes]) -> list[Segments]:
    """What simple-hl7 makes of each message."""
    given = json.dumps([base64.b64encode(raw).decode() for raw in messages]).encode()
    done = subprocess.run(
        ["node", "read.js"],
        cwd=_installed(),
        input=given,
        capture_output=True,
        timeout=DEADLINE_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    return [[(name, fields) for name, fields in found] for found in json.loads(done.stdout)]


def _installed() -> Path:
    """A folder with the reader and its packages."""
    if not (shutil.which("node") and shutil.which("npm")):
        _missing("node and npm are not installed: apt-get install nodejs npm")
    content = b"".join((HERE / name).read_bytes() for name in FILES)
    folder = ROOT / ".venv" / f"eyes-{hashlib.sha256(content).hexdigest()[:16]}"
    if folder.exists():
        return folder
    draft = folder.with_name(f"{folder.name}.{os.getpid()}")
    draft.mkdir(parents=True)
    for name in FILES:
        shutil.copy(HERE / name, draft)
    words = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    done = subprocess.run(words, cwd=draft, capture_output=True, timeout=DEADLINE_S, check=False)
    if done.returncode:
        shutil.rmtree(draft)
        _missing(f"npm ci failed, is there a network? {done.stderr.decode()[-300:]}")
    if folder.exists():  # another test run was quicker
        shutil.rmtree(draft)
    else:
        draft.rename(folder)
    return folder


def _missing(reason: str) -> NoReturn:
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)
