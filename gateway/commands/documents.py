"""Files that commands read whole."""

from pathlib import Path

from gateway.domain.study import Study
from gateway.errors import DataError, NoInput
from gateway.formats import study_json


def read_study(path: Path, check: study_json.Check) -> Study:
    """The Study document at `path`; NoInput when it cannot be read, DataError with the file's name."""
    try:
        with path.open("rb") as file:
            # No more than can be one: a device or a pipe may have no end.
            data = file.read(study_json.LARGEST_DOCUMENT + 1)
    except OSError as error:
        raise NoInput(f"{path}: {error.strerror}") from error
    try:
        return study_json.decode(data, check)
    except DataError as error:
        raise error.within(str(path)) from error
