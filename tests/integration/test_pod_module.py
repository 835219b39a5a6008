# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module pod against both providers of the sandbox, whose pods are only as real as the port that SSH would answer
on. Nothing may be left that bills.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from harness import BIN, REPOSITORY, wait_for
from stand_in import IMAGE, Api, ServerThread
from vast_stand_in import KEY

from ansible_collections.podyard.gpu.plugins.module_utils._http import session
from ansible_collections.podyard.gpu.plugins.module_utils._http.retry import Patience
from ansible_collections.podyard.gpu.plugins.modules import pod
from ansible_collections.podyard.gpu.tests.unit.fakes.modules import Runner
from podyard_sandbox.settings import Settings

RUN = "podyard-fleet-20260715_140000_1f2e"
GPU = "RTX 4090"
# Long enough for what should come on a loaded machine, short enough to wait for what never does.
SOON, NEVER = 20, 0.5


class Shop:
    """Our module, and the sandbox from behind."""

    def __init__(self, runner: Runner, sandbox: ServerThread, work: Path) -> None:
        self.runner, self.sandbox, self.work = runner, sandbox, work
        self.api = Api(sandbox.url, sandbox.home.api_key())

    def wish(self, **changes: Any) -> dict[str, Any]:
        """A pod that is quickly there, or quickly not."""
        return {
            "name": RUN, "count": 1, "image": IMAGE, "gpus": [GPU], "public_keys": [KEY], "wait_for": "port_open",
            "poll_interval": 0.05, "consistency_grace": 0.5, "run_dir": str(self.work / "run"), "rank_by": "price",
            "timeouts": {"running": SOON, "addressed": SOON, "port_open": SOON}, **changes,
        }  # fmt: skip

    def pod(self, check: bool = False, **changes: Any) -> dict[str, Any]:
        return self.runner.run(pod.main, check, **self.wish(**changes))

    def refused(self, **changes: Any) -> dict[str, Any]:
        return self.runner.fail(pod.main, **self.wish(**changes))

    def fault(self, kind: str, times: int | None = None, **params: Any) -> None:
        """Switch one on."""
        self.api.fault(kind, times, **{name: str(value) for name, value in params.items()})

    def all_well(self) -> None:
        """Switch all off."""
        self.api.delete("/_sandbox/faults")

    def living(self) -> dict[str, str]:
        """Name -> provider of all that still bill."""
        return {each["name"]: each["provider"] for each in self.api.status()["pods"] if each["gone_at"] is None}


@pytest.fixture
def shop(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    traffic = Path(os.environ.get("PODYARD_SANDBOX_TRAFFIC", tmp_path)) / f"{os.getpid()}-{tmp_path.name}"
    sandbox = ServerThread(tmp_path / "sandbox", Settings(traffic=traffic, balance=1000, vast_limits=0))
    for name, value in {
        "HOME": str(tmp_path),
        "PODYARD_STATE_DIR": str(tmp_path / "state"),
        # Neither side keeps pauses between requests: they are not the point here.
        "PODYARD_VAST_THRESHOLD_SCALE": "0",
        "RUNPOD_API_KEY": sandbox.home.api_key(),
        "RUNPOD_API_BASE_URL": sandbox.url,
        "VAST_API_KEY": sandbox.home.vast_api_key(),
        "VAST_URL": sandbox.url,
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    try:
        yield Shop(Runner(capsys, tmp_path), sandbox, tmp_path)
    finally:
        sandbox.close()


def test_from_none_to_five_to_two_to_none(shop):
    """Over both providers: there are fewer machines of this kind on Vast.ai at this price than are wanted."""
    cap = 0.70
    foreseen = shop.pod(check=True, count=5, max_price=cap)
    assert foreseen["changed"] and shop.living() == {}
    result = shop.pod(count=5, max_price=cap)
    names = [f"{RUN}-{number}-1" for number in range(5)]
    assert [each["name"] for each in result["pods"]] == names == sorted(shop.living())
    assert {each["provider"] for each in result["pods"]} == {"runpod", "vastai"} == set(shop.living().values())
    assert {each["stage"] for each in result["pods"]} == {"port_open"}
    offers = [each["offer"] for each in result["attempts"] if each["provider"] == "vastai"]
    assert len(offers) == len(set(offers))

    again = shop.pod(count=5, max_price=cap)
    assert (again["changed"], again["attempts"], again["pods_gone"]) == (False, [], [])
    assert again["diff"]["before"] == again["diff"]["after"]
    assert shop.pod(check=True, count=5, max_price=cap)["changed"] is False

    fewer = shop.pod(count=2, max_price=cap)
    assert sorted(shop.living()) == names[:2]
    assert [each["gone_proved"] for each in fewer["pods_gone"]] == [True] * 3
    other = shop.refused(count=2, gpus=["A40"])
    assert "not changed in place" in other["msg"] and sorted(shop.living()) == names[:2]

    ended = shop.pod(state="absent", count=None)
    assert ended["changed"] and shop.living() == {}
    assert shop.pod(state="absent", count=None)["changed"] is False


def test_a_machine_that_does_not_boot_is_left_for_the_next_and_remembered(shop):
    shop.fault("vast-oci-fail", times=1)
    result = shop.pod()
    bad, good = result["attempts"]
    assert (bad["provider"], bad["outcome"], good["outcome"]) == ("vastai", "given back", "rented")
    assert "OCI runtime create failed" in bad["reason"]
    assert bad["cost_usd"] is not None and bad["seconds"] > 0
    assert good["host"] != bad["host"]
    noted = json.loads((shop.work / "state" / "bad-hosts.json").read_text())["hosts"]
    assert [each["host"] for each in noted] == [bad["host"]]

    assert shop.pod(state="absent", condemned="no driver")["changed"]
    third = shop.pod()["pod"]
    assert third["host"] not in (bad["host"], good["host"])
    shop.pod(state="absent")
    assert shop.living() == {}


def test_the_next_provider_when_no_machine_of_the_first_is_to_be_had(shop):
    shop.fault("vast-ask-gone")
    result = shop.pod()
    assert result["pod"]["provider"] == "runpod"
    assert {each["outcome"] for each in result["attempts"] if each["provider"] == "vastai"} == {"refused"}
    shop.all_well()
    shop.pod(state="absent")


def test_a_contract_that_is_not_as_it_was_asked_for_is_given_back(shop):
    shop.fault("vast-bid-ignored", times=1)
    result = shop.pod(interruptible=True)
    assert [each["outcome"] for each in result["attempts"]] == ["given back", "rented"]
    assert "on demand" in result["attempts"][0]["reason"]
    assert result["pod"]["interruptible"] is True
    assert any("runpod is left out" in note for note in result["notes"])
    shop.pod(state="absent")
    shop.fault("vast-price-above", times=1, factor=9)
    result = shop.pod(max_price=1.0)
    assert [each["outcome"] for each in result["attempts"]] == ["given back", "rented"]
    assert "above the cap" in result["attempts"][0]["reason"]
    shop.pod(state="absent")
    assert shop.living() == {}


def test_a_provider_that_is_down_is_said_and_never_rented_twice_for(shop, monkeypatch):
    monkeypatch.setattr(session, "Patience", lambda: Patience(tries=1))
    shop.fault("server-error", operation="listPods")
    result = shop.pod()
    assert result["pod"]["provider"] == "vastai"
    assert any("runpod cannot be asked" in note for note in result["notes"])
    assert "unknown" in shop.refused(state="absent")["msg"]
    assert "unknown" in shop.refused(strict_providers=True)["msg"]
    shop.all_well()
    shop.pod(state="absent")
    shop.pod(providers=["runpod"])
    shop.fault("server-error", operation="listPods")
    assert "ledger says" in shop.refused()["msg"]
    shop.all_well()
    assert list(shop.living().values()) == ["runpod"]
    shop.pod(state="absent")


def test_an_order_without_an_answer_makes_no_second_pod(shop):
    """The line drops after the pod was made: it is found by its name, at both providers."""
    shop.fault("create-drops-line", times=1)
    shop.fault("vast-create-timeout-but-created", times=1)
    result = shop.pod(count=4, max_price=0.70)
    assert len(shop.living()) == 4 == len(result["pods"])
    shop.pod(state="absent")
    assert shop.living() == {}


def test_when_the_module_is_ended_nothing_goes_on_billing(shop):
    """SIGTERM for the module's own process, in the middle of the wait for pods at both providers."""
    shop.fault("never-ready")
    shop.fault("vast-slow-pull", seconds=600)
    wish = shop.wish(name="x", count=4, max_price=0.70, wait_for="running", timeouts={})
    task = {"podyard.gpu.pod": wish}
    play = {"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": [task]}
    (shop.work / "play.yml").write_text(json.dumps([play]))
    environ = {**os.environ, "ANSIBLE_CONFIG": str(REPOSITORY / "ansible.cfg"), "ANSIBLE_LOCALHOST_WARNING": "false"}
    command = [str(BIN / "ansible-playbook"), "play.yml", "-e", f"ansible_python_interpreter={BIN / 'python'}"]
    with open(shop.work / "output.txt", "w") as output:
        process = subprocess.Popen(command, cwd=shop.work, env=environ, stdout=output, stderr=subprocess.STDOUT)
    try:
        wait_for(lambda: len(shop.living()) == 4, "the orders", timeout=SOON)
        modules = [
            each
            for each in psutil.Process(process.pid).children(recursive=True)
            if any(word.endswith("AnsiballZ_pod.py") for word in each.cmdline()) and "python" in each.name()
        ]
        modules[-1].send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) != 0
    finally:
        process.kill()
        process.wait()
    told = " ".join((shop.work / "output.txt").read_text().split())
    assert "Interrupted by SIGTERM" in told
    assert "is proved gone" in told
    assert shop.living() == {}
