"""The configuration file: typed, and an unknown key is an error that says what was probably meant.

Each part of the gateway has its section here; a driver brings its own keys, declared in its folder and
found by entry point. Nothing is opened or connected while a configuration is read.
"""

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeVar
from zoneinfo import ZoneInfo

import msgspec

from gateway.domain.limits import Limits
from gateway.errors import ConfigError, did_you_mean
from gateway.ports import DriverPlugin
from gateway.protocols.er7 import UTF_8, CharacterSet

DEFAULT_PATH: Final = Path("/etc/emg-gateway/gateway.toml")
DATABASE: Final = "gateway.db"  # in the state directory
_DRIVERS: Final = "emg_gateway.drivers"

_NAME: Final = r"^[a-z0-9_-]{1,32}(?!\n)$"
Name = Annotated[str, msgspec.Meta(pattern=_NAME)]
Size = Annotated[int, msgspec.Meta(gt=0, le=512 * 1024 * 1024)]  # the journal takes a document whole
Seconds = Annotated[float, msgspec.Meta(gt=0, le=31_622_400)]  # a year: beyond it nothing is waited for
Count = Annotated[int, msgspec.Meta(ge=0, le=1_000_000_000)]
Days = Annotated[float, msgspec.Meta(ge=0, le=3660)]
Megabytes = Annotated[int, msgspec.Meta(ge=1, le=100_000_000)]  # of a million bytes
Rate = Annotated[float, msgspec.Meta(ge=0.01, le=1000)]
S = TypeVar("S", bound=msgspec.Struct)


class _Section(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """A section of the file; refuses keys it does not know."""


class GatewaySection(_Section, kw_only=True, frozen=True):
    """`[gateway]`: where this gateway stands and keeps its state."""

    site: Name = "lab1"  # first part of every MQTT topic
    cart: Name = "cart-a"  # second part, unless a driver names its own
    state_dir: str = "/var/lib/emg-gateway"  # journal, outbox, studies: one SQLite file
    exam_timeout_s: Seconds = 1200.0  # silence that ends an examination which nothing else ended


class AnalysisSection(_Section, kw_only=True, frozen=True):
    """`[analysis]`: what recordings are judged by."""

    criteria: list[str] | None = None  # absent: every set that is not unverified
    grading: str = "efns-pns-mmn-2010"  # the set whose grades become findings
    norms: str = "aanem-2016"
    data_dir: str | None = None  # a laboratory's own criteria/, norms/, differential/, anatomy/: same id wins


class TlsSection(_Section, kw_only=True, frozen=True):
    """`[mqtt.tls]`, `[hl7.tls]`: whom to trust, and who we are; PEM files, read at the start."""

    ca_file: str | None = None  # absent: the machine's own list
    cert_file: str | None = None  # with key_file: what we show to a server that asks
    key_file: str | None = None  # only this user may read it


class MqttSection(_Section, kw_only=True, frozen=True):
    """`[mqtt]`: the broker of the lab screens."""

    url: str  # mqtt://host:port, mqtts://host:port, or "embedded" for the demo broker
    username: str | None = None
    password_file: str | None = None  # a file that only this user can read
    clear_after_s: Seconds = 3600.0  # after the examination's end: assessment and alerts are cleared
    replay_events: Count = 10_000  # of each prefix are kept for screens that missed some
    replay_days: Days = 7.0  # and none that is older
    tls: TlsSection | None = None


class Hl7Section(_Section, kw_only=True, frozen=True):
    """`[[hl7]]`: one interface engine."""

    name: Name
    url: str  # mllp://host:port, or mllps:// for TLS
    tls: TlsSection | None = None
    interim: bool = False  # a preliminary message after each nerve as well
    waveforms: bool = False  # the sweeps too
    validate: Literal["startup", "always", "never"] = "startup"  # against HL7's structures, beside the daemon
    ack_timeout_s: Seconds = 10.0
    ack_mode: Literal["original", "enhanced"] = "original"  # enhanced: MSH-15 asks for a commit, CA
    application_ack: Literal["AL", "NE"] = "NE"  # enhanced: MSH-16, whether AA follows on the connection
    connection: Literal["permanent", "per_message"] = "permanent"
    connect_timeout_s: Seconds = 5.0
    messages_per_second: Rate | None = None  # absent: as fast as it answers
    sending_application: str = "EMG-GATEWAY"
    sending_facility: str = ""
    receiving_application: str = ""
    receiving_facility: str = ""
    processing_id: Literal["P", "T"] | None = None  # "P" refuses simulated data
    charset: CharacterSet = UTF_8  # MSH-18; what it does not have is sent as ?

    def __post_init__(self) -> None:
        if self.application_ack == "AL" and self.ack_mode == "original":
            raise ValueError('application_ack = "AL" is of the enhanced mode; set ack_mode = "enhanced"')


class StoreSection(_Section, kw_only=True, frozen=True):
    """`[store]`: what the store may take of the disk; what is thinned out first is in docs/storage.md."""

    quota_mb: Megabytes = 8192  # beyond it raw input and curves of delivered examinations are thinned out
    min_free_mb: Megabytes = 512  # of the disk; below it too
    keep_waveforms_days: Days | None = None  # absent: as long as there is room


class LimitsSection(_Section, kw_only=True, frozen=True):
    """`[limits]`: how large what comes in may be."""

    document_bytes: Size = Limits().document_bytes  # a file: DICOM, Study document; a LIS session
    record_bytes: Size = Limits().record_bytes  # a LIS record, however many frames it comes in
    sweep_samples: Size = Limits().sweep_samples  # a waveform


@dataclass(frozen=True, slots=True, kw_only=True)
class DriverSection:
    """`[[drivers]]`: one way in, with the settings its plug-in declares."""

    name: str
    type: str
    cart: str
    timezone: str | None
    plugin: DriverPlugin
    settings: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """A whole configuration."""

    gateway: GatewaySection
    analysis: AnalysisSection
    store: StoreSection = StoreSection()  # noqa: RUF009  # frozen
    limits: Limits = Limits()  # noqa: RUF009  # frozen
    drivers: tuple[DriverSection, ...] = ()
    mqtt: MqttSection | None = None
    hl7: tuple[Hl7Section, ...] = ()


_SECTIONS: Final = ("gateway", "analysis", "store", "limits", "drivers", "mqtt", "hl7")
_DRIVER_KEYS: Final = ("name", "type", "cart", "timezone")


def load(path: Path) -> Settings:
    """Read the configuration at `path`; ConfigError names the file, the key and what to do."""
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}; write one, or name it with --config FILE") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 text") from error
    return parse(text, str(path))


def parse(text: str, origin: str) -> Settings:
    """The settings that `text` (TOML) holds; `origin` is named in errors."""
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{origin}: {error}") from error
    for section in raw:
        if section not in _SECTIONS:
            raise ConfigError(f"{origin}: unknown section [{section}]{did_you_mean(section, _SECTIONS)}")
    gateway = _convert(raw.get("gateway", {}), GatewaySection, "gateway", origin)
    settings = Settings(
        gateway=gateway,
        analysis=_convert(raw.get("analysis", {}), AnalysisSection, "analysis", origin),
        store=_convert(raw.get("store", {}), StoreSection, "store", origin),
        limits=Limits(
            **msgspec.structs.asdict(_convert(raw.get("limits", {}), LimitsSection, "limits", origin))
        ),
        drivers=tuple(
            _driver(entry, f"drivers[{index}]", gateway.cart, origin)
            for index, entry in enumerate(_tables(raw, "drivers", origin))
        ),
        mqtt=_convert(raw["mqtt"], MqttSection, "mqtt", origin) if "mqtt" in raw else None,
        hl7=tuple(
            _convert(entry, Hl7Section, f"hl7[{index}]", origin)
            for index, entry in enumerate(_tables(raw, "hl7", origin))
        ),
    )
    _refuse_doubles([entry.name for entry in settings.drivers], "drivers", origin)
    _refuse_doubles([entry.name for entry in settings.hl7], "hl7", origin)
    return settings


def _tables(raw: Mapping[str, Any], section: str, origin: str) -> list[Any]:
    found = raw.get(section, [])
    if not isinstance(found, list):
        raise ConfigError(f"{origin}: [{section}] is a list: write [[{section}]]")
    return found


def _refuse_doubles(names: list[str], section: str, origin: str) -> None:
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f"{origin}: two [[{section}]] are named {name!r}; give each its own name")


def _convert(raw: Any, shape: type[S], place: str, origin: str, beside: Sequence[str] = ()) -> S:
    """`raw` as the section `shape`; `beside`: keys that are read elsewhere, worth suggesting."""
    try:
        return msgspec.convert(raw, shape)
    except msgspec.ValidationError as error:
        known = [*(field.name for field in msgspec.structs.fields(shape)), *beside]
        raise ConfigError(f"{origin}: {_explained(str(error), place, known)}") from error


def _explained(message: str, place: str, known: Sequence[str]) -> str:
    """The library's message with our section's name in it, and a suggestion for an unknown key."""
    reason, _, inner = message.partition(" - at `$")
    where = f"[{place}]{inner.rstrip('`')}"
    unknown = re.fullmatch(r"Object contains unknown field `(.*)`", reason, re.DOTALL)
    if unknown:
        return f"unknown key {unknown[1]!r} in {where}{did_you_mean(unknown[1], known)}"
    return f"{where}: {'use 1 to 32 of a-z 0-9 _ -' if repr(_NAME) in reason else reason}"


def installed_drivers() -> dict[str, Any]:
    """The entry points of the drivers that are installed, by type."""
    return {entry.name: entry for entry in entry_points(group=_DRIVERS)}


def _driver(raw: Any, place: str, cart: str, origin: str) -> DriverSection:
    if not isinstance(raw, dict) or not isinstance(raw.get("type"), str):
        raise ConfigError(
            f"{origin}: [{place}]: type is missing; installed: {', '.join(installed_drivers())}"
        )
    drivers = installed_drivers()
    if raw["type"] not in drivers:
        raise ConfigError(
            f"{origin}: [{place}]: no driver of type {raw['type']!r}; installed: {', '.join(drivers)}"
        )
    plugin: DriverPlugin = drivers[raw["type"]].load()
    common = {key: raw[key] for key in _DRIVER_KEYS if key in raw}
    own = {key: value for key, value in raw.items() if key not in _DRIVER_KEYS}
    head = _convert({"cart": cart} | common, _DriverHead, place, origin)
    settings = _convert(own, plugin.settings, place, origin, _DRIVER_KEYS)
    return DriverSection(
        name=head.name,
        type=head.type,
        cart=head.cart,
        timezone=head.timezone,
        plugin=plugin,
        settings=settings,
    )


class _DriverHead(_Section, kw_only=True, frozen=True):
    name: Name
    type: str
    cart: Name
    timezone: str | None = None  # of the device's clock (Europe/Zurich); absent: this machine's

    def __post_init__(self) -> None:
        try:
            if self.timezone is not None:
                ZoneInfo(self.timezone)
        except (KeyError, ValueError, OSError) as error:
            raise ValueError(f"unknown timezone {self.timezone!r}") from error


def effective(settings: Settings) -> dict[str, Any]:
    """The settings with every default, in the shape of the file; secrets stay in theirs."""
    return {
        "gateway": _shown(settings.gateway),
        "analysis": _shown(settings.analysis),
        "store": _shown(settings.store),
        "limits": _shown(settings.limits),
        "drivers": [{**_shown_head(entry), **_shown(entry.settings)} for entry in settings.drivers],
        **({"mqtt": _shown(settings.mqtt)} if settings.mqtt else {}),
        "hl7": [_shown(entry) for entry in settings.hl7],
    }


def _shown_head(entry: DriverSection) -> dict[str, str]:
    zone = {} if entry.timezone is None else {"timezone": entry.timezone}
    return {"name": entry.name, "type": entry.type, "cart": entry.cart, **zone}


def _shown(section: Any) -> dict[str, Any]:
    return _without_none(msgspec.to_builtins(section))


def _without_none(section: dict[str, Any]) -> dict[str, Any]:
    """TOML knows no null: a key that is not set is not there."""
    return {
        name: _without_none(value) if isinstance(value, dict) else value
        for name, value in section.items()
        if value is not None
    }
