"""JSON objects in columns: what is remembered beside the facts of a study."""

from typing import Any

import msgspec

from gateway.domain.assessment import JsonObject
from gateway.errors import DataError


def stored_object(text: str, place: str) -> JsonObject:
    """The JSON object that a column holds; DataError where it is none."""
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except msgspec.DecodeError as error:
        raise DataError("not a stored JSON object", place) from error
