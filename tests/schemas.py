"""The published schemas, from where the product keeps them."""

import json
from importlib.resources import files
from typing import Any


def schema(name: str) -> dict[str, Any]:
    """The JSON Schema of the `study` or `assessment` document."""
    text = (files("gateway.formats") / "schemas" / f"{name}.schema.json").read_text("utf-8")
    found: dict[str, Any] = json.loads(text)
    return found
