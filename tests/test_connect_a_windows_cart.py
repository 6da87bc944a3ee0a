"""What the guide for technicians tells people to type can be used as it stands."""

import configparser
import re
from pathlib import Path

import msgspec
import pytest

from gateway.daemon.config import parse
from gateway.daemon.service import checked
from tests.checkout import ROOT

GUIDE = ROOT / "docs" / "connect-a-windows-cart.md"
TEXT = GUIDE.read_text("utf-8")


def blocks(language: str) -> list[str]:
    found = re.findall(rf"^```{language}\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
    assert found, language
    return found


@pytest.mark.parametrize("text", blocks("toml"))
def test_every_configuration_can_be_used(text: str) -> None:
    settings = parse(text, "gateway.toml")
    assert len(settings.drivers) == 1
    checked(settings)


def test_every_key_of_the_folder_is_explained() -> None:
    (plugin,) = {
        entry.plugin
        for text in blocks("toml")
        for entry in parse(text, "gateway.toml").drivers
        if entry.type == "dicom_folder"
    }
    shown = set(re.findall(r"^(?:\[drivers\.)?([a-z_]+)(?: = |\])", "".join(blocks("toml")), re.MULTILINE))
    assert {field.name for field in msgspec.structs.fields(plugin.settings)} <= shown


def test_a_default_that_is_told_is_the_default() -> None:
    full = next(text for text in blocks("toml") if "site_aliases" in text)
    plain = re.sub(r"^(?:polarity|single_file|settle_s) = .*\n", "", full, flags=re.MULTILINE)
    settings = parse(plain, "gateway.toml").drivers[0].settings
    assert (settings.polarity, settings.single_file) == ("true", False)
    assert (settings.patience_s, settings.poll_s) == (60.0, 0.5)
    for field in ("patience_s", "poll_s"):
        plain = re.sub(rf"^{field} = .*\n", "", plain, flags=re.MULTILINE)
    assert parse(plain, "gateway.toml").drivers[0].settings == settings


def test_the_share_and_the_drop_ins_are_well_formed() -> None:
    sections = []
    for text in blocks("ini"):
        parser = configparser.ConfigParser(interpolation=None)
        parser.read_string(text)
        sections += parser.sections()
    assert sections == ["cart-a", "Service", "Service"]


def test_the_mount_is_a_line_of_six_fields() -> None:
    (line,) = blocks("fstab")
    source, target, kind, options, dump, check = line.split()
    assert (source[:2], target, kind, dump, check) == ("//", "/srv/emg/cart-a", "cifs", "0", "0")
    explained = set(re.findall(r"`([a-z_.-]+)(?:=[^`]*)?`", TEXT))
    unexplained = {option.partition("=")[0] for option in options.split(",")} - explained
    assert unexplained == {"credentials", "iocharset", "x-systemd.mount-timeout"}


def test_every_event_that_is_explained_is_logged_and_the_other_way_round() -> None:
    told = set(re.findall(r"^\| `([a-z]+(?:_[a-z]+)+)`", TEXT, re.MULTILINE))
    sources = [ROOT / "gateway" / "transport" / "folders.py", ROOT / "drivers" / "dicom_folder" / "driver.py"]
    logged = {event for source in sources for event in events(source)}
    assert told - {"task_interrupted", "files_not_moved"} == logged - {"files_not_moved"}
    assert "files_not_moved" in told & logged


def events(source: Path) -> set[str]:
    return set(re.findall(r'(?:info|warning|error|_warn)\(\s*"([a-z_]+)"', source.read_text("utf-8")))


@pytest.mark.parametrize("reason", re.findall(r"^\| `\.reason`: (.+?)(?: …)? \|", TEXT, re.MULTILINE))
def test_every_reason_that_is_explained_is_given(reason: str) -> None:
    sources = [
        *(ROOT / "gateway").rglob("folders.py"),
        *(ROOT / "gateway" / "formats" / "dicom").glob("*.py"),
    ]
    wanted = reason.replace("larger than", "the file is larger than")
    assert any(f'"{wanted}' in source.read_text("utf-8") for source in sources)
