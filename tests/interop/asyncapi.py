"""The AsyncAPI initiative's own JSON Schema, from its npm package."""

import json
import os
from functools import cache
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parent
_INSTALL = "npm ci --ignore-scripts --prefix tests/interop"


def package(name: str) -> Path:
    """Where an npm package of the lock file is; without it the test is skipped, or fails where checks run."""
    found = FOLDER / "node_modules" / name
    if not found.is_dir():
        said = f"{name} is not installed: {_INSTALL}"
        if os.environ.get("CI") == "true":
            pytest.fail(said)
        pytest.skip(said)
    return found


@cache
def asyncapi_schema() -> dict[str, Any]:
    """AsyncAPI 3.0.0 as JSON Schema (draft 07)."""
    text = (package("@asyncapi/specs") / "schemas" / "3.0.0.json").read_text("utf-8")
    found: dict[str, Any] = json.loads(text)
    return found
