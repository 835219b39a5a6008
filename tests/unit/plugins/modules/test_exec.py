# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module exec with a stand-in for ssh that runs the command here, or fails as ssh does."""

from __future__ import annotations

import json
import os

import pytest
from ansible.module_utils.testing import patch_module_args

from ansible_collections.podyard.gpu.plugins.modules import exec as module

# Takes ssh's arguments, keeps them, and runs the last one as sshd does: by the login shell.
SSH = """#!/bin/sh
printf '%s\\n' "$@" > {arguments}
for command; do :; done
exec /bin/sh -c "$command"
"""
LOST = "#!/bin/sh\necho 'ssh: connect to host 203.0.113.9 port 40022: Connection refused' >&2\nexit 255\n"
KILLED = "#!/bin/sh\necho half\nkill -9 $$\n"


@pytest.fixture(name="run")
def _run(tmp_path):
    """Writes a run directory whose connection leads to a program with the given text; returns its path."""

    def make(ssh=SSH, **changes):
        directory = tmp_path / "runs" / "r1"
        directory.mkdir(parents=True)
        program = tmp_path / "an ssh"
        program.write_text(ssh.replace("{arguments}", str(tmp_path / "arguments")))
        program.chmod(0o755)
        connection = {
            "provider": "runpod",
            "pod_id": "abc",
            "name": "podyard-digits-r1-0-1",
            "ssh": f"'{program}' -p 40022 -i '/a key' root@203.0.113.9",
            **changes,
        }
        (directory / "connection.json").write_text(json.dumps(connection))
        os.symlink("r1", directory.parent / "latest")
        return directory

    return make


@pytest.fixture(name="execute")
def _execute(capsys, tmp_path):
    """Runs the module and returns its result."""

    def execute(**options):
        options.setdefault("runs_dir", str(tmp_path / "runs"))
        with patch_module_args(options), pytest.raises(SystemExit):
            module.main()
        return json.loads(capsys.readouterr().out)

    return execute


def test_what_the_command_does_comes_back(run, execute):
    run()
    result = execute(command="echo out; echo 'it''s \"err\"' >&2; cd / && pwd")
    assert (result["rc"], result["stdout"], result["stderr"]) == (0, "out\n/\n", 'its "err"\n')
    assert result["changed"] is True and result["timed_out"] is False
    assert result["pod"] == {"provider": "runpod", "id": "abc", "name": "podyard-digits-r1-0-1"}


def test_how_ssh_is_called(run, execute, tmp_path):
    directory = run()
    execute(command="true", run_dir=str(directory))
    arguments = (tmp_path / "arguments").read_text().splitlines()
    assert arguments[:2] == ["-F", "/dev/null"]
    assert {"BatchMode=yes", "ForwardAgent=no", "RequestTTY=no", "ControlPath=none"} <= set(arguments)
    (start,) = [place for place, word in enumerate(arguments) if word == "-p"]
    assert arguments[start : start + 5] == ["-p", "40022", "-i", "/a key", "root@203.0.113.9"]


@pytest.mark.parametrize(
    "command", ["echo $PODYARD_TEST_KEY", "echo '$PODYARD_TEST_KEY'", 'echo "${PODYARD_TEST_KEY}"']
)
def test_nothing_of_a_command_is_replaced_here(run, execute, tmp_path, monkeypatch, command):
    """An account's key would go to the pod with it, in arguments that everybody sees."""
    run()
    ssh = tmp_path / "an ssh"
    ssh.write_text(ssh.read_text().replace("exec /bin/sh", "unset PODYARD_TEST_KEY; exec /bin/sh"))
    monkeypatch.setenv("PODYARD_TEST_KEY", "the-key")
    result = execute(command=command)
    assert result["stdout"] == ("$PODYARD_TEST_KEY\n" if "'" in command else "\n")
    assert "the-key" not in json.dumps(result)
    assert "PODYARD_TEST_KEY" not in (tmp_path / "arguments").read_text(), "a command may hold a secret"


def test_the_accounts_key_is_not_in_the_environment_of_ssh(run, execute, monkeypatch):
    run()
    monkeypatch.setenv("RUNPOD_API_KEY", "rpa_of_the_account")
    assert execute(command="env; cat")["stdout"].find("rpa_of_the_account") == -1


@pytest.mark.parametrize("stream", [1, 2])
def test_output_without_end(run, execute, monkeypatch, stream):
    run()
    monkeypatch.setattr(module, "MOST_OUTPUT", 4096)
    told = execute(command=f"while :; do echo abcdefghijklmnopqrstuvwxyz >&{stream} || exit; done")
    assert told["failed"] is True and "answered with more than 4.1 kB" in told["msg"]


@pytest.mark.parametrize("command", ["exit 3", "(exit 3)", "false || exit 3", "trap '' TERM; exit 3"])
def test_the_exit_code(run, execute, command):
    run()
    result = execute(command=f"echo the reason >&2; {command}")
    assert result["failed"] is True and result["rc"] == 3
    assert (
        result["msg"] == "The command ended with exit code 3 on pod podyard-digits-r1-0-1 (abc on runpod): the reason"
    )
    result = execute(command=command, fail_on_rc=False)
    assert result["failed"] is False and result["rc"] == 3


def test_a_command_that_ends_as_ssh_does_when_it_fails(run, execute):
    run()
    assert execute(command="exit 255", fail_on_rc=False)["rc"] == 255


def test_a_command_that_kills_its_shell(run, execute):
    run()
    assert execute(command="kill -9 $$", fail_on_rc=False)["rc"] == 137


@pytest.mark.parametrize("fail_on_rc", [True, False])
def test_ssh_that_fails(run, execute, fail_on_rc):
    run(LOST)
    result = execute(command="true", fail_on_rc=fail_on_rc)
    assert result["failed"] is True
    assert result["msg"] == (
        "Pod podyard-digits-r1-0-1 (abc on runpod) cannot be reached: "
        "ssh: connect to host 203.0.113.9 port 40022: Connection refused."
    )


def test_a_line_that_is_lost(run, execute):
    run(KILLED)
    assert "was lost during the command" in execute(command="true")["msg"]


def test_a_time_out_on_the_pod(run, execute):
    run()
    result = execute(command="echo begun; sleep 1000", timeout=0.2)
    assert result["failed"] is True and result["timed_out"] is True and result["rc"] == 124
    assert result["stdout"] == "begun\n"
    assert "did not end within 0.2 s on pod podyard-digits-r1-0-1" in result["msg"]


def test_a_time_out_that_only_ssh_can_be_cut_for(run, execute, monkeypatch):
    """An image without timeout, or a pod that hangs."""
    run("#!/bin/sh\nexec sleep 1000\n")
    monkeypatch.setattr(module, "PATIENCE", 0)
    result = execute(command="true", timeout=0.2)
    assert result["failed"] is True and result["timed_out"] is True


def test_an_image_without_timeout(run, execute, monkeypatch):
    run()
    complete = module.script
    lacking = "command -v no-such-program"
    monkeypatch.setattr(module, "script", lambda *told: complete(*told).replace("command -v timeout", lacking))
    assert execute(command="echo here", timeout=100)["stdout"] == "here\n"


def test_a_command_of_its_own_that_ends_with_124(run, execute):
    run()
    result = execute(command="exit 124", timeout=100, fail_on_rc=False)
    assert (result["rc"], result["timed_out"]) == (124, False)


@pytest.mark.parametrize("timeout", [0, -1])
def test_a_time_out_that_is_none(run, execute, timeout):
    run()
    assert "timeout must be more than 0 seconds" in execute(command="true", timeout=timeout)["msg"]


def test_check_mode_skips(run, execute, tmp_path):
    run()
    result = execute(command="true", _ansible_check_mode=True)
    assert result["skipped"] is True and result["changed"] is False
    assert not (tmp_path / "arguments").exists()


class TestWithoutConnection:
    def test_no_such_run(self, run, execute, tmp_path):
        run()
        assert execute(command="true", run_id="r2")["msg"] == (
            f"There is no run directory {tmp_path}/runs/r2. Name the run by run_dir, or by run_id and runs_dir."
        )

    @pytest.mark.foreign_records
    def test_a_run_that_has_ended(self, run, execute):
        directory = run()
        (directory / "connection.json").unlink()
        (directory / "run.json").write_text('{"outcome": "succeeded"}')
        assert execute(command="true")["msg"] == (
            f"Run r1 has no connection.json in {directory.parent}/latest: its pod is not reachable yet, or was given "
            "back (outcome: succeeded)."
        )

    @pytest.mark.parametrize("text", ["{", "[]", "{}", '{"ssh": ""}', '{"ssh": 5}', '{"ssh": "a \'b"}'])
    def test_a_connection_that_cannot_be_used(self, run, execute, text):
        (run() / "connection.json").write_text(text)
        result = execute(command="true")
        assert (
            result["failed"] is True
            and "connection.json of run r1" in result["msg"]
            and "cannot be used" in result["msg"]
        )
