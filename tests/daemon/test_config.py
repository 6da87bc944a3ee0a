import re
import tomllib
from pathlib import Path

import msgspec
import pytest
import tomli_w

from gateway.daemon.config import (
    AnalysisSection,
    GatewaySection,
    Hl7Section,
    LimitsSection,
    MqttSection,
    Settings,
    StoreSection,
    effective,
    installed_drivers,
    load,
    parse,
)
from gateway.daemon.reference import load_reference, shipped_data
from gateway.domain.limits import Limits
from gateway.errors import ConfigError

DRIVER = '[[drivers]]\nname = "room-1"\ntype = "serial_lis"\nurl = "serial:///dev/ttyUSB0"\n'
MQTT = '[mqtt]\nurl = "mqtt://127.0.0.1:1883"\n'
HL7 = '[[hl7]]\nname = "engine"\nurl = "mllp://127.0.0.1:2575"\n'


def shipped(name: str) -> str:
    return (shipped_data() / name).read_text("utf-8")


def refused(text: str) -> str:
    """What is said about a configuration that cannot be used, in one line."""
    with pytest.raises(ConfigError) as caught:
        parse(text, "lab.toml")
    assert str(caught.value).startswith("lab.toml: ")
    return str(caught.value).removeprefix("lab.toml: ")


def test_an_empty_configuration_is_all_defaults() -> None:
    assert parse("", "lab.toml") == Settings(gateway=GatewaySection(), analysis=AnalysisSection())


def test_the_shipped_configuration_shows_every_default() -> None:
    stated = effective(load(shipped_data() / "gateway.toml"))
    given = stated["analysis"].pop("criteria")

    assert stated == effective(parse(DRIVER + MQTT + HL7, "lab.toml"))
    assert tuple(given) == tuple(entry.id for entry in load_reference().criteria)


def test_the_shipped_configuration_shows_every_key() -> None:
    driver = parse(DRIVER, "lab.toml").drivers[0]
    sections = (
        GatewaySection,
        AnalysisSection,
        StoreSection,
        LimitsSection,
        StoreSection,
        MqttSection,
        Hl7Section,
        driver.plugin.settings,
    )
    keys = {field.name for section in sections for field in msgspec.structs.fields(section)}
    shown = set(re.findall(r"^(?:# )?([a-z0-9_]+) = ", shipped("gateway.toml"), re.MULTILINE))

    assert shown == (keys - {"tls"}) | {"name", "type", "cart", "timezone"}


def test_the_shipped_configuration_shows_how_to_speak_tls_to_the_broker() -> None:
    text = shipped("gateway.toml")
    section = re.sub(r"^#", "", text[text.index("#[mqtt.tls]") : text.index("[[hl7]]")], flags=re.MULTILINE)

    settings = parse(MQTT + section, "gateway.toml")

    assert settings.mqtt is not None
    assert settings.mqtt.tls is not None
    assert None not in msgspec.structs.astuple(settings.mqtt.tls)
    assert parse(tomli_w.dumps(effective(settings)), "shown.toml") == settings


def test_the_shipped_configuration_shows_tls_as_a_block_to_switch_on() -> None:
    block = shipped("gateway.toml").partition("#[hl7.tls]")[2]

    (engine,) = parse(HL7 + "[hl7.tls]" + block.replace("\n#", "\n"), "lab.toml").hl7

    assert engine.tls is not None
    assert None not in msgspec.structs.astuple(engine.tls)


def test_what_the_shipped_configuration_comments_out_can_be_switched_on() -> None:
    on = re.sub(r"^# ([a-z_]+ = )", r"\1", shipped("gateway.toml"), flags=re.MULTILINE)

    settings = parse(on, "gateway.toml")

    assert settings.drivers[0].cart == "cart-b"
    assert settings.hl7[0].processing_id == "P"
    assert settings.mqtt is not None
    assert settings.mqtt.password_file is not None


def test_the_demo_configuration_can_be_used_once_it_is_filled_in() -> None:
    text = shipped("demo.toml")
    blanks = re.findall(r"@[A-Z]+@", text)

    settings = parse(re.sub(r"@[A-Z]+@", "filled-in", text), "demo.toml")

    assert sorted(blanks) == ["@BROKER@", "@CART@", "@ENGINE@", "@STATE@"]
    assert settings.gateway.state_dir == "filled-in"
    assert settings.drivers[0].settings.url == "serial://filled-in"


@pytest.mark.parametrize(
    "text",
    [
        "",
        DRIVER + MQTT + HL7,
        '[gateway]\nsite = "a_1"\nexam_timeout_s = 0.5\n'
        + DRIVER
        + 'cart = "b"\n'
        + DRIVER.replace("m-1", "m-2"),
        shipped("gateway.toml"),
        HL7 + '[hl7.tls]\nca_file = "ca.pem"\n',
    ],
)
def test_what_is_shown_reads_back_as_the_same_settings(text: str) -> None:
    settings = parse(text, "lab.toml")
    assert parse(tomli_w.dumps(effective(settings)), "shown.toml") == settings


def test_the_limits_are_those_of_the_code_unless_the_configuration_says_otherwise() -> None:
    assert parse("", "lab.toml").limits == Limits()
    assert parse("[limits]\nsweep_samples = 536870912\n", "lab.toml").limits == Limits(
        sweep_samples=512 * 1024 * 1024
    )


def test_a_driver_without_a_cart_has_the_gateways() -> None:
    settings = parse('[gateway]\ncart = "ward-3"\n' + DRIVER, "lab.toml")
    assert settings.drivers[0].cart == "ward-3"


def test_a_drivers_settings_are_of_the_type_it_declares() -> None:
    driver = parse(DRIVER + "baudrate = 19200\n", "lab.toml").drivers[0]
    assert isinstance(driver.settings, driver.plugin.settings)
    assert driver.settings.baudrate == 19_200


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[gatway]\n", "unknown section [gatway]; did you mean 'gateway'?"),
        ("[zzz]\n", "unknown section [zzz]"),
        ('[gateway]\nsit = "a"\n', "unknown key 'sit' in [gateway]; did you mean 'site'?"),
        ("[gateway]\nzzz = 1\n", "unknown key 'zzz' in [gateway]"),
        ('[gateway]\n"a\\nb" = 1\n', "unknown key 'a\\nb' in [gateway]"),
        (
            "[limits]\nrecord_byte = 1\n",
            "unknown key 'record_byte' in [limits]; did you mean 'record_bytes'?",
        ),
        ("[limit]\n", "unknown section [limit]; did you mean 'limits'?"),
        (HL7 + "ack_timeout = 1\n", "unknown key 'ack_timeout' in [hl7[0]]; did you mean 'ack_timeout_s'?"),
        (HL7 + HL7 + "intrim = true\n", "unknown key 'intrim' in [hl7[1]]; did you mean 'interim'?"),
        (DRIVER + "baud = 1\n", "unknown key 'baud' in [drivers[0]]; did you mean 'baudrate'?"),
        (DRIVER + 'crat = "a"\n', "unknown key 'crat' in [drivers[0]]; did you mean 'cart'?"),
    ],
)
def test_an_unknown_word_is_named_with_the_one_that_was_meant(text: str, told: str) -> None:
    assert refused(text) == told


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("gateway = 3\n", "[gateway]: Expected `object`, got `int`"),
        ("[gateway]\nstate_dir = 1\n", "[gateway].state_dir: Expected `str`, got `int`"),
        ("[gateway]\nexam_timeout_s = 0\n", "[gateway].exam_timeout_s: Expected `float` > 0.0"),
        ("[gateway]\nexam_timeout_s = nan\n", "[gateway].exam_timeout_s: Expected `float` > 0.0"),
        ("[gateway]\nexam_timeout_s = inf\n", "[gateway].exam_timeout_s: Expected `float` <= 31622400.0"),
        ('[gateway]\nsite = "Lab 1"\n', "[gateway].site: use 1 to 32 of a-z 0-9 _ -"),
        ('[gateway]\nsite = "lab1\\n"\n', "[gateway].site: use 1 to 32 of a-z 0-9 _ -"),
        ("[limits]\ndocument_bytes = 0\n", "[limits].document_bytes: Expected `int` >= 1"),
        ("[limits]\nrecord_bytes = -1\n", "[limits].record_bytes: Expected `int` >= 1"),
        ("[limits]\nsweep_samples = 536870913\n", "[limits].sweep_samples: Expected `int` <= 536870912"),
        ("[limits]\nsweep_samples = 1e6\n", "[limits].sweep_samples: Expected `int`, got `float`"),
        ("[[limits]]\n", "[limits]: Expected `object`, got `array`"),
        ("[analysis]\ncriteria = [1]\n", "[analysis].criteria[0]: Expected `str`, got `int`"),
        ("[mqtt]\n", "[mqtt]: Object missing required field `url`"),
        ("hl7 = [3]\n", "[hl7[0]]: Expected `object`, got `int`"),
        (
            HL7 + 'application_ack = "AL"\n',
            '[hl7[0]]: application_ack = "AL" is of the enhanced mode; set ack_mode = "enhanced"',
        ),
        (HL7 + "messages_per_second = 0\n", "[hl7[0]].messages_per_second: Expected `float` >= 0.01"),
        (HL7 + 'processing_id = "D"\n', "[hl7[0]].processing_id: Invalid enum value 'D'"),
        ("[drivers]\n", "[drivers] is a list: write [[drivers]]"),
        ("[hl7]\n", "[hl7] is a list: write [[hl7]]"),
        (DRIVER.replace("room-1", "Room 1"), "[drivers[0]].name: use 1 to 32 of a-z 0-9 _ -"),
        (DRIVER.replace("name", "# name"), "[drivers[0]]: Object missing required field `name`"),
        (DRIVER.replace("url", "# url"), "[drivers[0]]: Object missing required field `url`"),
        (DRIVER + "baudrate = 0\n", "[drivers[0]].baudrate: Expected `int` >= 1"),
        (DRIVER + 'timezone = "Mars"\n', "[drivers[0]]: unknown timezone 'Mars'"),
        (DRIVER + 'timezone = "../etc/passwd"\n', "[drivers[0]]: unknown timezone '../etc/passwd'"),
        (DRIVER + DRIVER, "two [[drivers]] are named 'room-1'; give each its own name"),
        (HL7 + HL7, "two [[hl7]] are named 'engine'; give each its own name"),
    ],
)
def test_what_cannot_be_used_is_named_with_its_place(text: str, told: str) -> None:
    assert refused(text) == told


@pytest.mark.parametrize("entry", ["drivers = [3]\n", "[[drivers]]\n", "[[drivers]]\ntype = 3\n"])
def test_a_driver_needs_a_type(entry: str) -> None:
    assert refused(entry) == f"[drivers[0]]: type is missing; installed: {', '.join(installed_drivers())}"


def test_a_driver_that_is_not_installed_is_answered_with_those_that_are() -> None:
    told = refused(DRIVER.replace("serial_lis", "telepathy"))
    assert told == f"[drivers[0]]: no driver of type 'telepathy'; installed: {', '.join(installed_drivers())}"
    assert "serial_lis" in told


def test_what_is_no_toml_is_named_with_the_line() -> None:
    assert "line 2" in refused("[gateway]\nsite = \n")


def test_what_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "lab.toml").write_bytes(b'[gateway]\nsite = "\xff"\n')
    with pytest.raises(ConfigError, match=r"lab\.toml: not UTF-8 text"):
        load(tmp_path / "lab.toml")


def test_a_file_that_is_not_there_is_asked_for(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.toml: No such file.*--config FILE"):
        load(tmp_path / "none.toml")


def test_a_file_is_read_from_disk_and_named_in_errors(tmp_path: Path) -> None:
    (tmp_path / "lab.toml").write_text("[gatway]\n", "utf-8")
    with pytest.raises(ConfigError, match=re.escape(f"{tmp_path}/lab.toml: unknown section")):
        load(tmp_path / "lab.toml")


def test_no_secret_is_shown(tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text("swordfish", "utf-8")
    shown = effective(parse(MQTT + f'username = "u"\npassword_file = "{secret}"\n', "lab.toml"))
    assert "swordfish" not in tomli_w.dumps(shown)
    assert tomllib.loads(tomli_w.dumps(shown))["mqtt"]["password_file"] == str(secret)
