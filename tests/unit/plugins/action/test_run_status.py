# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The actions run_status, run_info, run_wait and pod_shell, as a task calls them."""

from __future__ import annotations

import json
import os
import socket
import subprocess

import pytest
from ansible.errors import AnsibleActionFail
from ansible.utils.display import Display

from ansible_collections.podyard.gpu.plugins.action import pod_shell, run_info, run_status, run_wait
from ansible_collections.podyard.gpu.plugins.module_utils._core.errors import AuthError
from ansible_collections.podyard.gpu.plugins.module_utils._core.pod import Pod
from ansible_collections.podyard.gpu.plugins.plugin_utils._common.pod_lists import PodList
from ansible_collections.podyard.gpu.plugins.plugin_utils._record.guard_state import identity
from ansible_collections.podyard.gpu.plugins.plugin_utils._record.run_file import RunFile
from ansible_collections.podyard.gpu.tests.unit.fakes.controller import act

NAME = "podyard-digits-r1-0-1"
SSH = "ssh -p 22 -i /k/id -o StrictHostKeyChecking=yes -o 'UserKnownHostsFile=/a b/known' root@h"


@pytest.fixture(name="runs")
def _runs(tmp_path, monkeypatch):
    """One run, kept, in ./runs."""
    monkeypatch.chdir(tmp_path)
    pod = {"provider": "vastai", "id": "7", "name": NAME, "usd_per_hour": 0.5}
    RunFile(tmp_path / "runs" / "r1").apply(begin="verify", outcome="kept", values={"name": "digits", "pods": [pod]})
    return tmp_path / "runs"


@pytest.fixture(name="screen")
def _screen(monkeypatch):
    """What Ansible's display was told to show."""
    shown = []
    monkeypatch.setattr(Display, "display", lambda self, text, *args, **kwargs: shown.append(text))
    return shown


def connect(runs):
    (runs / "r1" / "connection.json").write_text(json.dumps({"ssh": SSH, "name": NAME, "pod_id": "7"}))


def guard(runs, controller, state="armed"):
    dead = {"pid": 2**22 + 1, "create_time": 1.0}
    told = {"state": state, "host": socket.gethostname(), **dead, "controller": controller}
    (runs / "r1" / "guard.json").write_text(json.dumps(told))


class TestRunStatus:
    @pytest.fixture(name="cloud")
    def _cloud(self, runs, monkeypatch):
        """What each provider answers, by its name; those that were asked are in `asked`."""
        pod = Pod(provider="vastai", id="7", name=NAME, phase="running", usd_per_hour=0.5)
        answers = {"vastai": PodList("vastai", ({**pod.to_result(), "end": "end 7"},))}

        def lists(names, environ, seconds):
            answers["asked"] = list(names)
            return [answers.get(name) or PodList(name) for name in names]

        monkeypatch.setattr(run_status, "lists", lists)
        meant = run_status.registry.meant

        def with_keys(options, _environ, *, keyed):
            return meant(options, {"HOME": "/nowhere"}, keyed={*keyed, *answers.get("keys", [])})

        monkeypatch.setattr(run_status.registry, "meant", with_keys)
        return answers

    def test_a_table_and_its_data(self, cloud, screen):
        result = act(run_status.ActionModule, {"width": 100, "remarks": ["ssh root@h"]})
        assert not result.get("failed") and result["changed"] is False
        assert [pod["id"] for pod in result["pods"]] == ["7"] and result["usd_per_hour"] == 0.5
        assert "digits 0-1" in screen[0] and screen[0].endswith("\nssh root@h")
        assert "digits 0-1" in result["table"]
        json.dumps(result)

    def test_nothing_of_a_pod_or_a_provider_steers_the_terminal(self, cloud, screen, runs):
        """Names of GPUs and metrics, and a server's words, in the table, in its data as text, and as JSON."""
        evil = "x\x1b[2J\x1b]0;owned\x07\x9b1m\u202ey"
        pod = Pod(provider="vastai", id="7", name=NAME, phase="running", usd_per_hour=0.5, gpu=evil, region=evil)
        cloud["vastai"] = PodList("vastai", ({**pod.to_result(), "end": f"end {evil}"},))
        cloud["runpod"] = PodList("runpod", error=f"It said {evil}.")
        RunFile(runs / "r1").apply(values={"name": f"digits{evil}", "metrics": {f"loss{evil}": evil}})
        arguments = {"providers": ["runpod", "vastai"], "remarks": [evil], "width": 200}
        result = act(run_status.ActionModule, arguments)
        act(run_status.ActionModule, {**arguments, "format": "json"})
        assert "xy" in screen[0] and len(screen) == 2
        for text in (*screen, result["table"], result["msg"]):
            assert not set(text) & set("\x1b\x07\x9b\u202e"), text

    def test_providers_with_a_key_and_those_of_living_runs_are_asked(self, cloud, screen):
        cloud["keys"] = ["runpod"]
        act(run_status.ActionModule)
        assert cloud["asked"] == ["runpod", "vastai"]
        act(run_status.ActionModule, {"providers": "runpod"})
        assert cloud["asked"] == ["runpod"]

    def test_without_any_key_all_are_asked_and_say_what_is_missing(self, cloud, screen, tmp_path):
        act(run_status.ActionModule, {"runs_dir": str(tmp_path / "none")})
        assert cloud["asked"] == ["runpod", "vastai"]

    def test_one_that_fails_fails_the_task_and_hides_nothing(self, cloud, screen):
        cloud["runpod"] = PodList("runpod", error="It answered 500.")
        result = act(run_status.ActionModule, {"providers": ["runpod", "vastai"]})
        assert result["failed"] and "The pods at runpod could not be listed: It answered 500." in result["msg"]
        assert [pod["id"] for pod in result["pods"]] == ["7"] and result["errors"] == {"runpod": "It answered 500."}

    def test_json(self, cloud, screen, tmp_path):
        arguments = {"format": "json", "file": "status.json"}
        assert act(run_status.ActionModule, arguments, check_mode=True)["changed"] is False
        assert not (tmp_path / "status.json").exists()
        assert act(run_status.ActionModule, arguments)["changed"] is True
        assert json.loads(screen[-1]) == json.loads((tmp_path / "status.json").read_text())
        assert json.loads(screen[-1])["pods"][0]["id"] == "7"

    def test_silence(self, cloud, screen):
        act(run_status.ActionModule, {"format": "none"})
        assert screen == []

    @pytest.mark.parametrize(
        ("arguments", "sentence"),
        [
            ({"run_ids": "r9"}, "There is no run r9: neither a directory in .*runs nor a pod has that id"),
            ({"run_ids": "../x"}, "is not a run id"),
            ({"run_ids": "latest", "runs_dir": "none"}, "There is no run in"),
            ({"pod_timeout": 0}, "pod_timeout is a number of seconds"),
            ({"format": "yaml"}, "value of format must be one of"),
            ({"file": "no/such/place.json"}, "The status cannot be written to"),
        ],
    )
    def test_refusals(self, cloud, screen, arguments, sentence):
        with pytest.raises(AnsibleActionFail, match=sentence):
            act(run_status.ActionModule, arguments)

    def test_a_run_that_only_a_pod_knows(self, cloud, screen, runs):
        (runs / "r1" / "run.json").rename(runs / "gone.json")
        cloud["keys"] = ["vastai"]
        assert act(run_status.ActionModule, {"run_ids": ["r1"]})["pods"][0]["known"] is False

    def test_a_run_that_perhaps_a_provider_knows_is_not_said_to_be_none(self, cloud, screen):
        cloud["runpod"] = PodList("runpod", error="It answered 500.")
        result = act(run_status.ActionModule, {"run_ids": ["r9"], "providers": ["runpod", "vastai"]})
        assert result["failed"] and result["pods"] == []

    def test_a_file_of_settings_that_is_broken(self, cloud, screen, monkeypatch):
        def broken(*_arguments, **_more):
            raise AuthError("The file of settings cannot be read.")

        monkeypatch.setattr(run_status.registry, "meant", broken)
        with pytest.raises(AnsibleActionFail, match=r"The file of settings cannot be read"):
            act(run_status.ActionModule)


class TestRunInfo:
    def test_the_only_one(self, runs, monkeypatch):
        connect(runs)
        monkeypatch.setenv("VAST_API_KEY", "0123456789abcdef")
        monkeypatch.setenv("VAST_URL", "http://127.0.0.1:9")
        [run] = act(run_info.ActionModule)["runs"]
        [left] = run["left"]
        assert left.startswith(f"{NAME} (7 on vastai) costs USD 0.50 per hour; end it with: curl ")
        assert "0123456789abcdef" not in left
        monkeypatch.delenv("VAST_API_KEY")
        monkeypatch.setenv("HOME", str(runs))
        assert act(run_info.ActionModule)["runs"][0]["left"][0].endswith("per hour; end it in the console of vastai")
        assert (run["run_id"], run["outcome"], run["stage"], run["living"]) == ("r1", "kept", "verify", True)
        assert run["owner"]["kind"] == "nobody" and run["job"]["project"] == "digits"
        assert run["connection"]["ssh"].startswith("ssh ")

    def test_several_must_be_told_apart(self, runs):
        RunFile(runs / "r2").apply(begin="plan")
        with pytest.raises(AnsibleActionFail, match=r"2 runs in .* are not over \(r2, r1\): say which"):
            act(run_info.ActionModule)
        assert [run["run_id"] for run in act(run_info.ActionModule, {"run_ids": "r1,r2"})["runs"]] == ["r1", "r2"]

    def test_none_is_under_way(self, runs):
        gone = {"provider": "vastai", "id": "7", "gone_at": "2026-01-01T00:00:00Z", "gone_proved": True}
        RunFile(runs / "r1").apply(outcome="stopped", values={"pods": [gone]})
        assert act(run_info.ActionModule)["runs"] == []

    def test_unknown_ones(self, runs):
        with pytest.raises(AnsibleActionFail, match=r"There is no run 'r9' in .* There are: r1\."):
            act(run_info.ActionModule, {"run_ids": ["r9"]})
        found = act(run_info.ActionModule, {"run_ids": ["r9", "r1"], "allow_unknown": True})
        assert found["unknown"] == ["r9"] and len(found["runs"]) == 1
        with pytest.raises(AnsibleActionFail, match=r"There is no run '\.\./x'"):
            act(run_info.ActionModule, {"run_ids": ["../x"], "allow_unknown": True})


class TestRunWait:
    @pytest.fixture(name="controller")
    def _controller(self):
        process = subprocess.Popen(["sleep", "300"])
        yield process
        process.kill()
        process.wait()

    def test_nobody_is_there(self, runs):
        result = act(run_wait.ActionModule, {"run_dir": "runs/r1"})
        assert (result["changed"], result["owner"], result["outcome"]) == (False, "nobody", "kept")

    def test_it_waits_until_the_time_is_over(self, runs, controller, screen):
        guard(runs, identity(controller.pid).to_json())
        with pytest.raises(AnsibleActionFail, match=r"r1 is still at stage verify after 0 s; the ansible-playbook"):
            act(run_wait.ActionModule, {"run_dir": "runs/r1", "timeout": 0})
        assert controller.poll() is None

    def test_an_interrupted_controller(self, runs, controller):
        guard(runs, identity(controller.pid).to_json())
        assert (
            act(run_wait.ActionModule, {"run_dir": "runs/r1", "interrupt": True}, check_mode=True)["changed"] is False
        )
        assert controller.poll() is None
        assert act(run_wait.ActionModule, {"run_dir": "runs/r1", "interrupt": True})["owner"] == "controller"
        assert controller.wait(10) == -15

    def test_nobody_else_is_interrupted(self, runs):
        guard(runs, {"pid": os.getpid(), "create_time": 1.0})
        assert act(run_wait.ActionModule, {"run_dir": "runs/r1", "interrupt": True})["owner"] == "nobody"


class TestPodShell:
    @pytest.fixture(autouse=True)
    def _no_terminal(self, monkeypatch):
        monkeypatch.setattr(pod_shell, "terminal_of", lambda pid: None)

    def test_without_a_terminal_it_says_the_command(self, runs, screen):
        connect(runs)
        result = act(pod_shell.ActionModule, {"run_id": "latest"})
        assert (result["opened"], result["command"], result["changed"]) == (False, SSH, False)
        assert screen == [SSH] and result["msg"].endswith(SSH)

    def test_check_mode(self, runs, screen, monkeypatch):
        connect(runs)
        monkeypatch.setattr(pod_shell, "terminal_of", lambda pid: "/dev/null")
        assert act(pod_shell.ActionModule, check_mode=True)["opened"] is False

    @pytest.mark.parametrize(("code", "changed"), [(0, True), (3, True)])
    def test_what_the_shell_ends_with_is_no_failure(self, runs, monkeypatch, code, changed):
        connect(runs)
        monkeypatch.setattr(pod_shell, "terminal_of", lambda pid: "there")
        monkeypatch.setattr(pod_shell.ActionModule, "_open", staticmethod(lambda *args: code))
        result = act(pod_shell.ActionModule)
        assert (result["opened"], result["rc"], result["changed"], result["failed"]) == (True, code, changed, False)

    def test_ssh_itself_failed(self, runs, monkeypatch):
        connect(runs)
        monkeypatch.setattr(pod_shell, "terminal_of", lambda pid: "there")
        monkeypatch.setattr(pod_shell.ActionModule, "_open", staticmethod(lambda *args: 255))
        with pytest.raises(
            AnsibleActionFail, match=r"SSH to the pod podyard-digits-r1-0-1 of run r1 failed or was lost"
        ):
            act(pod_shell.ActionModule)

    def test_a_terminal_that_cannot_be_opened(self, runs, monkeypatch, tmp_path):
        connect(runs)
        monkeypatch.setattr(pod_shell, "terminal_of", lambda pid: str(tmp_path / "none"))
        with pytest.raises(AnsibleActionFail, match=r"This terminal cannot be given to ssh .* by hand: ssh"):
            act(pod_shell.ActionModule)

    @pytest.mark.parametrize(
        ("change", "arguments", "sentence"),
        [
            ({}, {}, "The run r1 has no pod any more; its outcome is kept"),
            ({"outcome": "running"}, {}, "has no pod that can be reached yet; it is at stage verify"),
            ({}, {"run_id": "r9"}, "There is no run 'r9'"),
            ({}, {"run_id": "all", "runs_dir": "none"}, r"one run only; name one\.$"),
            ({}, {"run_id": "all"}, r"one run only; name one\. These match: r\d, r\d\.$"),
            ({}, {"run_id": "r1,r2"}, r"one run only; name one\. These match: r1, r2\.$"),
        ],
    )
    def test_refusals(self, runs, change, arguments, sentence):
        if arguments.get("run_id") in ("all", "r1,r2"):
            RunFile(runs / "r2").apply(begin="plan", outcome="failed")
        if change:
            RunFile(runs / "r1").apply(**change)
        with pytest.raises(AnsibleActionFail, match=sentence) as caught:
            act(pod_shell.ActionModule, arguments)
        assert not isinstance(caught.value.__cause__, ValueError), "Ansible would show the words of Python too"
