# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When faults strike, and what is refused when they are switched on."""

from __future__ import annotations

from pathlib import Path

import pytest

from podyard_sandbox.faults import KINDS, FaultError, Faults

README = Path(__file__).resolve().parents[2] / "sandbox" / "README.md"


def strikes(faults: Faults, kind: str, chances: int, **facts: str | tuple[str, ...]) -> list[bool]:
    return [faults.trigger(kind, **facts) is not None for _chance in range(chances)]


def test_every_time() -> None:
    faults = Faults()
    faults.add("never-ready", {})
    assert strikes(faults, "never-ready", 3, name="x") == [True] * 3
    assert strikes(faults, "sshd-late", 1, name="x") == [False]


def test_so_many_times() -> None:
    faults = Faults()
    fault = faults.add("never-ready", {}, times=2)
    assert strikes(faults, "never-ready", 4) == [True, True, False, False]
    assert fault.spent and faults.to_json()[0]["hits"] == 2


def test_a_share_is_the_same_each_session() -> None:
    def session() -> list[bool]:
        faults = Faults()
        faults.add("never-ready", {}, share=0.3)
        return strikes(faults, "never-ready", 1000)

    assert session() == session()
    assert 250 < sum(session()) < 350


def test_first_chances_pass() -> None:
    faults = Faults()
    faults.add("unauthorized", {"skip": "2"}, times=1)
    assert strikes(faults, "unauthorized", 4, operation="getPod") == [False, False, True, False]


def test_filters() -> None:
    faults = Faults()
    faults.add("sshd-late", {"name": "podyard-a-*, other"})
    assert strikes(faults, "sshd-late", 1, name=("id1", "podyard-a-1")) == [True]
    assert strikes(faults, "sshd-late", 1, name=("other", "podyard-b-1")) == [True]
    assert strikes(faults, "sshd-late", 1, name=("id1", "podyard-b-1")) == [False]
    faults.add("server-error", {"operation": "GETPOD"})
    assert strikes(faults, "server-error", 1, operation="getPod") == [True]
    assert strikes(faults, "server-error", 1, operation="listPods") == [False]


def test_two_faults_of_a_name_strike_one_after_the_other() -> None:
    faults = Faults()
    faults.add("rate-limited", {"retry_after": "1"}, times=1)
    faults.add("rate-limited", {"retry_after": "2"}, times=1)
    hit = [faults.trigger("rate-limited", operation="getPod") for _chance in range(3)]
    assert [fault.params["retry_after"] if fault else None for fault in hit] == [1, 2, None]


def test_clear() -> None:
    faults = Faults()
    faults.add("latency", {})
    faults.add("latency", {})
    faults.add("phantom", {})
    assert faults.clear("latency") == 2
    assert [fault["name"] for fault in faults.to_json()] == ["phantom"]
    assert faults.clear() == 1 and faults.to_json() == []


@pytest.mark.parametrize(
    ("name", "params", "words"),
    [
        ("no-capcity", {}, "Did you mean 'no-capacity'?"),
        ("utterly different", {}, "`podyard-sandbox fault list --available` lists them all"),
        ("sshd-late", {"second": "3"}, "Did you mean 'seconds'?"),
        ("sshd-late", {"seconds": "soon"}, "seconds must be a number, not 'soon'"),
        ("sshd-late", {"seconds": "-1"}, "seconds must be zero or more"),
        ("sshd-late", {"seconds": "nan"}, "seconds must be zero or more"),
        ("terminate-late", {"reads": "1.5"}, "reads must be a whole number"),
        ("never-ready", {"status": "RUNING"}, "status must be one of PROVISIONING, STARTING"),
        ("rate-limited", {"header": "perhaps"}, "header must be true or false"),
        ("latency", {"operation": "createPods"}, "Did you mean 'createPod'?"),
    ],
)
def test_typos_are_errors(name: str, params: dict[str, str], words: str) -> None:
    faults = Faults()
    with pytest.raises(FaultError) as error:
        faults.add(name, params)
    assert words in str(error.value)
    assert faults.to_json() == []


@pytest.mark.parametrize(("times", "share"), [(1, 0.5), (0, None), (None, 0.0), (None, 1.1), (None, float("nan"))])
def test_how_often_must_make_sense(times: int | None, share: float | None) -> None:
    with pytest.raises(FaultError):
        Faults().add("latency", {}, times, share)


def test_clear_of_a_typo() -> None:
    with pytest.raises(FaultError, match="Did you mean 'latency'"):
        Faults().clear("latencie")


def test_readme_has_every_fault_in_these_words() -> None:
    chapter = README.read_text(encoding="utf-8").split("\n## Faults\n")[1].split("\n## ")[0]
    rows = [line for line in chapter.splitlines() if line.startswith("| `")]
    for kind in KINDS.values():
        params = ", ".join(f"`{name}={param.default}`" for name, param in kind.params.items() if not param.filter)
        assert f"| `{kind.name}` | {kind.sentence} | {params} |" in rows
    assert len(rows) == len(KINDS)
