# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``podyard-sandbox fault``, against a server in this process."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner, Result
from stand_in import Api, ServerThread

from podyard_sandbox.cli import main
from podyard_sandbox.faults import KINDS


class Command:
    """The program in this process, with the server's home."""

    def __init__(self, sandbox: ServerThread) -> None:
        self.home = sandbox.home

    def run(self, *words: str) -> Result:
        return CliRunner().invoke(main, ["--home", str(self.home.root), "fault", *words])

    def __call__(self, *words: str) -> str:
        result = self.run(*words)
        assert result.exit_code == 0, result.output
        return result.output


@pytest.fixture
def fault(sandbox: ServerThread) -> Command:
    """The command, which finds the server by its home as it finds a daemon."""
    return Command(sandbox)


@pytest.fixture
def served(sandbox: ServerThread, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the server of this process count as the home's daemon."""
    monkeypatch.setattr("podyard_sandbox.cli_faults.running_daemon", lambda home: {"url": sandbox.url, "pid": 1})


@pytest.mark.usefixtures("served")
def test_add_list_clear(fault: Command, api: Api) -> None:
    assert fault("list") == "No fault is on.\n"
    assert fault("add", "no-capacity", "--times", "2", "--param", "gpu=NVIDIA L4") == (
        "On: no-capacity gpu=NVIDIA L4 (2 times; triggered 0)\n"
    )
    fault("add", "rate-limited", "--share", "0.25", "--param", "retry_after=3")
    assert api.create(gpu={"id": "NVIDIA L4", "count": 1}).status_code in (400, 429)
    listed = json.loads(fault("list", "--json"))
    assert [(entry["name"], entry["times"], entry["share"]) for entry in listed] == [
        ("no-capacity", 2, None),
        ("rate-limited", None, 0.25),
    ]
    assert len(fault("list").splitlines()) == 2
    assert fault("clear", "no-capacity") == "1 fault switched off.\n"
    assert fault("clear") == "1 fault switched off.\n"
    assert fault("list") == "No fault is on.\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("add", "no-capcity"), "Did you mean 'no-capacity'?"),
        (("add", "sshd-late", "--param", "secs=3"), "The fault sshd-late has no parameter 'secs'."),
        (("add", "sshd-late", "--param", "seconds"), "NAME=VALUE"),
        (("add", "latency", "--times", "1", "--share", "0.5"), "times and share exclude each other"),
        (("add", "latency", "--share", "2"), "share must be above 0 and at most 1"),
    ],
)
def test_typos_are_errors_also_while_the_sandbox_is_down(
    sandbox: ServerThread, api: Api, words: tuple[str, ...], said: str
) -> None:
    result = Command(sandbox).run(*words)  # no daemon holds this home's lock
    assert result.exit_code == 1
    assert said in result.output and "Traceback" not in result.output
    assert api.status()["faults"] == []


@pytest.mark.usefixtures("served")
def test_clear_of_a_typo(fault: Command) -> None:
    result = fault.run("clear", "latncy")
    assert (result.exit_code, "Did you mean 'latency'?" in result.output) == (1, True)


def test_without_a_sandbox(sandbox: ServerThread) -> None:
    for words in (("add", "latency"), ("list",), ("clear",)):
        result = Command(sandbox).run(*words)
        assert result.exit_code == 1
        assert "No sandbox is running in" in result.output


def test_available(sandbox: ServerThread) -> None:
    text = Command(sandbox)("list", "--available")
    described = json.loads(Command(sandbox)("list", "--available", "--json"))
    assert [entry["name"] for entry in described] == list(KINDS)
    for kind in KINDS.values():
        assert f"{kind.name}\n    {kind.sentence}\n" in text
