"""The way in for carts that export DICOM EMG waveform objects into a folder, their own or a shared one."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final

import msgspec

from drivers.dicom_folder.driver import FolderDriver
from drivers.dicom_folder.translate import recorded_at, translator
from gateway.domain.anatomy import Anatomy
from gateway.errors import ConfigError, did_you_mean
from gateway.formats import Format, Polarity, Reading
from gateway.formats.dicom import FORMAT
from gateway.ports import DriverContext
from gateway.transport import FolderSettings, watch_folder

_MOST_S: Final = 86_400  # a day: no folder is waited for longer


class Settings(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """The keys of a `[[drivers]]` of type `dicom_folder`."""

    path: Annotated[
        str,
        msgspec.Meta(description="The folder the cart exports into, from the root: /srv/emg/cart-a/export."),
    ]
    polarity: Annotated[
        Polarity,
        msgspec.Meta(
            description="Sign of the samples; true: active minus reference, as DICOM has it; negative_up for"
            " carts that store what they draw."
        ),
    ] = "true"
    single_file: Annotated[
        bool,
        msgspec.Meta(
            description="Whether each file is a whole examination and ends it; false: a file a stimulation,"
            " and silence ends the examination."
        ),
    ] = False
    site_aliases: Annotated[
        dict[str, str],
        msgspec.Meta(
            description="The cart's own words for stimulation sites, each with the name of the site here;"
            " case, blanks, - and _ do not matter."
        ),
    ] = msgspec.field(default_factory=dict)
    poll_s: Annotated[
        float, msgspec.Meta(gt=0, le=_MOST_S, description="Seconds between two looks at the folder.")
    ] = 0.5
    settle_s: Annotated[
        float,
        msgspec.Meta(
            gt=0,
            le=_MOST_S,
            description="Seconds without a change after which a file is complete; more for a cart whose"
            " export pauses.",
        ),
    ] = 2.0
    patience_s: Annotated[
        float,
        msgspec.Meta(
            gt=0,
            le=_MOST_S,
            description="Seconds without a change after which a file that cannot be read goes to failed/.",
        ),
    ] = 60.0

    def __post_init__(self) -> None:
        """Refuse a path that depends on where the gateway was started."""
        if not Path(self.path).is_absolute() or "\0" in self.path:
            raise ValueError("path must start at the root, as /srv/emg/inbox does")


def build(settings: Settings, context: DriverContext, document_format: Format) -> FolderDriver:
    """The driver of a folder of files of `document_format`; ConfigError for an alias of an unknown site."""
    _check_aliases(settings.site_aliases, context.anatomy)
    reading = Reading(
        anatomy=context.anatomy,
        limits=context.limits,
        polarity=settings.polarity,
        timezone=context.timezone,
        site_aliases=settings.site_aliases,
    )
    watched = FolderSettings(
        path=Path(settings.path),
        max_bytes=context.limits.document_bytes,
        poll_s=settings.poll_s,
        settle_s=settings.settle_s,
        patience_s=settings.patience_s,
    )
    translate = translator(document_format, reading, single_file=settings.single_file)
    folder = watch_folder(
        watched,
        driver=context.name,
        order=recorded_at(translate),
        monotonic=context.clock.monotonic,
    )
    return FolderDriver(context.name, folder, translate)


def _check_aliases(aliases: Mapping[str, str], anatomy: Anatomy) -> None:
    for spelling, site in aliases.items():
        if site not in anatomy.sites:
            known = did_you_mean(site, anatomy.sites) or f"; known: {', '.join(anatomy.sites)}"
            raise ConfigError(f"site_aliases: {spelling!r} stands for an unknown site{known}")


class _DicomFolder:
    """The plug-in as the entry point holds it."""

    settings: Final = Settings

    def create(self, settings: Settings, context: DriverContext) -> FolderDriver:
        """Build the driver; opens nothing yet."""
        return build(settings, context, FORMAT)


DRIVER: Final = _DicomFolder()
