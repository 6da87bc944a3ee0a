"""`./emg`: it sets itself up once, says so on standard error only, and then is the program."""

import os
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from tests.checkout import ROOT, checkout

EMG = ROOT / "emg"


def test_it_is_a_script_that_any_shell_can_read() -> None:
    subprocess.run(["sh", "-n", EMG], check=True)


@pytest.mark.skipif(
    shutil.which("shellcheck") is None and "CI" not in os.environ,
    reason="shellcheck is not installed: apt-get install shellcheck",
)
def test_it_has_none_of_the_usual_faults() -> None:
    subprocess.run(["shellcheck", EMG], check=True)


@pytest.mark.parametrize("uv", [True, False])
def test_the_first_start_sets_it_up_and_the_next_does_not(tmp_path: Path, uv: bool) -> None:
    here = checkout(tmp_path, 'echo "$@"', uv=uv)

    code, out, err = here.run("demo", "--once")

    assert (code, out) == (0, "demo --once\n")
    assert all(line.startswith("emg: ") for line in err.splitlines())
    made, *installed, last = here.calls()
    assert " venv " in made
    assert len(installed) == 2
    assert all(" --require-hashes -r " in call for call in installed)
    assert " --no-deps --no-build-isolation --editable " in last

    assert here.run("demo") == (0, "demo\n", "")
    assert here.calls() == []


def test_changed_requirements_are_installed_into_the_same_environment(tmp_path: Path) -> None:
    here = checkout(tmp_path, "echo run")
    here.run()
    here.calls()
    with (here.folder / "requirements" / "demo.txt").open("a") as requirements:
        requirements.write("# changed\n")

    assert here.run()[:2] == (0, "run\n")
    assert [call for call in here.calls() if " venv " in call] == []


def test_an_environment_that_nothing_installs_into_is_made_again(tmp_path: Path) -> None:
    """uv makes one without pip; then uv is gone."""
    here = checkout(tmp_path, "echo run")
    here.run()
    here.calls()
    (here.tools / "uv").unlink()
    (here.tools / "pipless").touch()
    with (here.folder / "requirements" / "demo.txt").open("a") as requirements:
        requirements.write("# changed\n")

    assert here.run()[:2] == (0, "run\n")
    assert [call for call in here.calls() if " venv " in call] != []


def test_what_could_not_be_installed_is_tried_again_the_next_time(tmp_path: Path) -> None:
    here = checkout(tmp_path, "echo run")
    (here.tools / "offline").touch()

    code, out, err = here.run()

    assert (code, out) == (69, "")
    assert "could not install requirements/demo.txt; check the network" in err.splitlines()[-1]
    (here.tools / "offline").unlink()
    assert here.run()[:2] == (0, "run\n")


def test_without_python_it_says_what_to_install(tmp_path: Path) -> None:
    here = checkout(tmp_path)
    (here.tools / "python3").unlink()
    code, out, err = here.run("demo")
    assert (code, out) == (69, "")
    assert "needs Python 3.11 or newer" in err
    assert "apt install python3 python3-venv" in err


@pytest.mark.parametrize("code", [0, 65, 78])
def test_arguments_and_exit_codes_pass_through(tmp_path: Path, code: int) -> None:
    here = checkout(tmp_path, f'for one; do echo "<$one>"; done; exit {code}')
    found, out, _ = here.run("analyze", "two words", "", "*")
    assert (found, out) == (code, "<analyze>\n<two words>\n<>\n<*>\n")


def test_it_becomes_the_program_so_signals_are_the_programs(tmp_path: Path) -> None:
    here = checkout(tmp_path, "echo $$")
    with here.start("run") as program:
        out, _ = program.communicate()
    assert int(out) == program.pid


def test_the_tests_run_on_every_core_and_arguments_go_to_pytest_last(tmp_path: Path) -> None:
    here = checkout(tmp_path)
    code, out, _ = here.run("test", "-k", "two words")
    assert (code, out) == (0, "-m pytest --numprocesses auto --dist worksteal -k two words\n")
    assert any("requirements/dev.txt" in call for call in here.calls())


def test_standard_output_is_the_commands_alone(tmp_path: Path) -> None:
    here = checkout(tmp_path)
    code, out, err = here.run("config", "show", "--config", str(ROOT / "config" / "gateway.toml"))
    assert code == 0
    assert tomllib.loads(out)["gateway"]["site"] == "lab1"
    assert "emg: ready" in err

    code, out, err = here.run("config", "check", "--config", "/no/such/file")
    assert (code, out) == (78, "")
    assert err.startswith("emg-gateway: /no/such/file: No such file")
