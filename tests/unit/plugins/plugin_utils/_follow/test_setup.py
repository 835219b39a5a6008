# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waiting for a pod's own set-up: with a scripted pod and a clock that the test moves, and with a real shell."""

from __future__ import annotations

import threading

import pytest
from ansible.errors import AnsibleConnectionFailure

from ansible_collections.podyard.gpu.plugins.plugin_utils._common.ssh import SshHost
from ansible_collections.podyard.gpu.plugins.plugin_utils._follow import setup
from ansible_collections.podyard.gpu.plugins.plugin_utils._follow.setup import Answer, Condition, NotDone, Probe, Wait

COMMAND = Condition(command="systemctl is-active comfyui")
FILE = Condition(file="/workspace/.ready")
SILENT = AnsibleConnectionFailure("waiting for the set-up: the SSH connection to pod (203.0.113.9) failed: refused")


class Pod:
    """Answers as scripted; the last answer repeats for ever. Each look takes a tenth of a second."""

    def __init__(self, *steps):
        self.steps, self.now, self.shown, self.pauses, self.limits = list(steps), 100.0, [], [], []

    def look(self, limit):
        self.limits.append(limit)
        self.now += 0.1
        step = self.steps.pop(0) if len(self.steps) > 1 else self.steps[0]
        if isinstance(step, Exception):
            raise step
        return step

    def sleep(self, seconds):
        self.pauses.append(seconds)
        self.now += seconds

    def wait(self, condition=COMMAND, timeout=60.0, silence=20.0):
        wait = Wait(
            "pod (p1)", condition, self.look, self.shown.append, timeout, silence, 5.0, lambda: self.now, self.sleep
        )
        return wait.run()


def test_a_look_has_no_more_time_than_is_left():
    """A command that hangs must not keep a pod that costs money longer than the deadline."""
    pod = Pod(Answer(3, "activating"))
    with pytest.raises(NotDone):
        pod.wait(timeout=70.0)
    assert (pod.limits[0], pod.limits[-1]) == (60, 10)
    assert pod.limits == sorted(pod.limits, reverse=True)


def test_a_look_that_takes_long_is_told(monkeypatch):
    """What is waited for is said while the first look goes on, and that it goes on."""
    monkeypatch.setattr(setup, "SILENT_SECONDS", 0.0)
    monkeypatch.setattr(setup, "REMINDER", 0.001)
    pod, told = Pod(Answer(0, "")), threading.Event()

    def show(line):
        pod.shown.append(line)
        if "has not answered yet" in line:
            told.set()

    def look(_limit):
        assert told.wait(30), pod.shown
        return Answer(0, "")

    Wait("pod", COMMAND, look, show, 60, 20, 5, lambda: pod.now, pod.sleep).run()
    assert pod.shown[0].startswith("set-up: waiting for pod until")
    assert pod.shown[-1].startswith("set-up: pod is set up after")


def test_one_that_is_ready_is_not_spoken_of():
    pod = Pod(Answer(0, ""))
    assert pod.wait() == {"seconds": 0.1, "tries": 1}
    assert pod.shown == [] and pod.pauses == []


def test_what_is_new_is_shown_once_and_then_a_sign_of_life():
    pod = Pod(*[Answer(3, "activating")] * 10, Answer(3, "loading the model"), Answer(0, "active"))
    assert pod.wait()["tries"] == 12
    assert (
        pod.shown[0]
        == "set-up: waiting for pod (p1) until `systemctl is-active comfyui` ends with 0, for 1 min at most"
    )
    told = [line for line in pod.shown if "activating" in line]
    assert told[0].endswith("`systemctl is-active comfyui` last ended with exit code 3, and said: activating")
    assert 1 < len(told) < 5, "a reminder now and then, and not a line for each look"
    assert len([line for line in pod.shown if "loading the model" in line]) == 1
    assert pod.shown[-1].startswith("set-up: pod (p1) is set up after ")


def test_it_is_noticed_within_the_interval():
    pod = Pod(*[Answer(1, "")] * 20, Answer(0, ""))
    pod.wait(timeout=600)
    assert pod.pauses == sorted(pod.pauses) and pod.pauses[0] == 0.5 and max(pod.pauses) == 5.0


@pytest.mark.parametrize(
    ("condition", "answer", "words"),
    [
        (COMMAND, Answer(3, "\x1b[31mfetching 12 %\r13 %\n"), "last ended with exit code 3, and said: 13 %."),
        (COMMAND, Answer(1, ""), "last ended with exit code 1 and said nothing."),
        (COMMAND, Answer(127, "sh: systemctl: not found"), "was not found (exit code 127), and said: sh: systemctl"),
        (COMMAND, Answer(124, ""), "did not end within 1 min and said nothing."),
        (FILE, Answer(1, "/workspace holds models "), "there is no /workspace/.ready (/workspace holds models)."),
    ],
)
def test_a_time_out_is_one_sentence(condition, answer, words):
    pod = Pod(answer)
    with pytest.raises(NotDone) as told:
        pod.wait(condition)
    assert str(told.value).startswith("The pod pod (p1) has not set itself up within 1 min: ")
    assert words in str(told.value) and "\n" not in str(told.value)
    assert 60 <= pod.now - 100 < 61, "the last look is at the end of the time"


def test_a_server_that_is_restarted_is_waited_for():
    pod = Pod(Answer(1, "x"), SILENT, SILENT, Answer(1, "y"), SILENT, Answer(0, ""))
    assert pod.wait()["tries"] == 6
    assert any("refused" in line for line in pod.shown)


def test_a_pod_that_is_silent_for_long_is_given_up():
    pod = Pod(Answer(1, "x"), SILENT)
    with pytest.raises(NotDone, match=r"pod \(p1\) has not answered for 20 s during its set-up: .*refused"):
        pod.wait(timeout=600)
    assert pod.now - 100 < 30


def test_nobody_waits_for_a_program_that_was_killed():
    """Each look would renew the lease of a pod that nobody needs any more."""
    pod = Pod(Answer(1, "x"))
    gone = iter([False, False, True])
    wait = Wait("pod", COMMAND, pod.look, pod.shown.append, 60, 20, 5, lambda: pod.now, pod.sleep, lambda: next(gone))
    with pytest.raises(NotDone, match="was killed"):
        wait.run()
    assert pod.now < 105 and len(pod.pauses) == 2


@pytest.fixture(name="host")
def _host(tmp_path):
    """An SSH program that runs what it is given here."""
    program = tmp_path / "ssh"
    program.write_text('#!/bin/sh\nfor last; do :; done\necho a banner\nexec sh -c "$last"\n')
    program.chmod(0o755)
    return SshHost(str(program), "pod", "203.0.113.9", (), False)


class TestProbe:
    """What the pod's shell makes of it."""

    def test_a_command(self, host):
        assert Probe(host, Condition(command="echo 'it is' done; true"))() == Answer(0, "it is done")
        assert Probe(host, Condition(command="echo to stderr >&2; exit 255"))() == Answer(255, "to stderr")
        assert Probe(host, Condition(command="sleep 100 & echo begun"))() == Answer(0, "begun"), "not waited for"
        late = Probe(host, Condition(command="exec sleep 100"))(0.5)
        assert "`exec sleep 100` did not end within 1 s" in late.words(Condition(command="exec sleep 100"))
        assert Probe(host, Condition(command="no-such-command-anywhere"))().code == 127

    def test_of_much_output_the_end(self, host):
        answer = Probe(host, Condition(command="seq 1 100000"))()
        assert answer.said.endswith("\n100000") and len(answer.said) <= 2000

    def test_a_file(self, host, tmp_path):
        place = tmp_path / "a folder"
        assert Probe(host, Condition(file=f"{place}/ready"))() == Answer(1, f"there is no directory {place}")
        place.mkdir()
        assert Probe(host, Condition(file=f"{place}/ready"))() == Answer(1, f"{place} holds nothing")
        (place / "half").touch()
        assert Probe(host, Condition(file=f"{place}/ready"))() == Answer(1, f"{place} holds half ")
        (place / "ready").touch()
        assert Probe(host, Condition(file=f"{place}/ready"))() == Answer(0, "")

    def test_a_connection_that_fails(self, host, tmp_path):
        (tmp_path / "ssh").write_text("#!/bin/sh\necho 'Connection refused' >&2\nexit 255\n")
        with pytest.raises(AnsibleConnectionFailure, match="Connection refused"):
            Probe(host, COMMAND)()
