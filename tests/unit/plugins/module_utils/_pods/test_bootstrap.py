# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The start command for images without an SSH server: when it is used, and what its script does.

The script is run for real by a POSIX shell, with programs of the test's own before everything else on its search path.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ansible_collections.podyard.gpu.plugins.module_utils._core.errors import BadRequest
from ansible_collections.podyard.gpu.plugins.module_utils._core.pod import PodRequest
from ansible_collections.podyard.gpu.plugins.module_utils._pods import bootstrap

RUNPOD = ("runpod/",)
KEY = "ssh-ed25519 AAAA me"


def request(**changes):
    given = {"name": "p", "image": "ubuntu:24.04", "gpu_id": "g", "gpu": "g", "public_keys": (KEY,), **changes}
    return PodRequest(**given)


# -- when it is used


@pytest.mark.parametrize(
    ("how", "changes", "needed"),
    [
        ("auto", {}, True),
        ("never", {}, False),
        ("auto", {"image": "runpod/pytorch:1"}, False),
        ("auto", {"image": "docker.io/RunPod/pytorch:1"}, False),
        ("auto", {"image": "somebody/runpod:1"}, True),
        ("auto", {"image": "runpod/pytorch:1", "args": "python x.py"}, True),
        ("always", {"image": "runpod/pytorch:1"}, True),
        ("auto", {"ports": ("8888/http",)}, False),
        ("auto", {"public_keys": ()}, False),
        ("auto", {"public_keys": (), "env": {"PUBLIC_KEY": KEY}}, True),
        ("auto", {"image": None, "template_id": "t", "ports": None}, False),
        ("auto", {"image": None, "template_id": "t", "args": "python x.py"}, True),
        ("auto", {"args": '{"entrypoint": ["tini"], "cmd": ["x"]}'}, False),
    ],
)
def test_it_is_used_where_nobody_else_starts_an_ssh_server(how, changes, needed):
    made = bootstrap.bootstrapped(how, request(**changes), RUNPOD)
    assert bootstrap.is_wrapped(made.args) is needed
    assert needed or made == request(**changes)


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (None, []),
        ("python 'a b.py' --x", ["python", "a b.py", "--x"]),
        ("bash -c 'echo \"$HOME\" && sleep 1'", ["bash", "-c", 'echo "$HOME" && sleep 1']),
        ('{"cmd": ["python", "a b.py"]}', ["python", "a b.py"]),
    ],
)
def test_the_own_command_stands_behind_ours_and_is_found_again(args, words):
    made = bootstrap.bootstrapped("auto", request(args=args), RUNPOD).args
    assert shlex.split(made)[:2] == ["sh", "-c"]
    assert shlex.split(made)[3:] == ["podyard", *words]
    assert shlex.split(bootstrap.unwrap(made)) == words


def test_a_version_of_another_day_is_recognised_too():
    older = bootstrap.wrap("python x").replace(bootstrap.wrap().split()[3], "bm90aGluZwo=")
    assert bootstrap.is_wrapped(older)
    assert bootstrap.unwrap(older) == "python x"
    assert bootstrap.unwrap("bash -c 'sleep 1'") == "bash -c 'sleep 1'"
    assert bootstrap.unwrap(None) == ""


@pytest.mark.parametrize("args", ["python 'x", "{not json", '{"cmd": "text", "entrypoint": 5', "{}[]"])
def test_what_is_no_command_is_refused(args):
    with pytest.raises(BadRequest, match="cannot be split into words"):
        bootstrap.bootstrapped("auto", request(args=args), RUNPOD)


def test_an_entrypoint_of_ones_own_excludes_it():
    with pytest.raises(BadRequest, match="bootstrap_ssh=always and an entrypoint exclude each other"):
        bootstrap.bootstrapped("always", request(args='{"entrypoint": ["tini"]}'), RUNPOD)


def test_it_is_small():
    """It is a part of every create, and of what people see of a pod."""
    assert len(bootstrap.wrap()) < 6000


# -- what its script does


def test_shellcheck_has_nothing_to_say(tmp_path):
    beside = Path(sys.executable).parent / "shellcheck"
    program = str(beside) if beside.exists() else shutil.which("shellcheck")
    if program is None:
        pytest.skip("there is no shellcheck on this machine")
    (tmp_path / "boot").write_text("#!/bin/sh\n" + "\n".join(bootstrap.PARTS))
    done = subprocess.run([program, str(tmp_path / "boot")], capture_output=True, text=True, check=False)
    assert done.stdout + done.stderr == ""


PROGRAMS = {
    "id": "echo ${FAKE_UID:-0}",
    # The keep-alive must not end; a pause between two tries must not be waited for.
    "sleep": 'if [ "$1" = 3600 ]; then exec SLEEP 60; else echo "$1" >>"$LOG.pauses"; fi',
    "ssh-keygen": 'case $1 in -A) touch "$ETC/ssh/ssh_host_x_key" "$ETC/ssh/ssh_host_x_key.pub" ;; '
    '*) echo "256 SHA256:AbC root@pod (ED25519)" ;; esac',
    # It writes its number when it listens.
    "sshd": 'echo "sshd $*" >>"$LOG"; [ "$1" != -t ] || exit 0; '
    'for word; do case $word in PidFile=*) echo 1 >"${word#*=}" ;; esac; done',
}
PAUSE = f"exec {shutil.which('sleep')} 60"
INSTALLER = """
echo "{name} $*" >>"$LOG"
case $* in *install*|*add*) ;; *) exit 0 ;; esac
[ "$(grep -c "^{name}" "$LOG")" -gt {fails} ] || {{ echo "E: no network"; exit 100; }}
cp "$SPARE/sshd" "$SPARE/ssh-keygen" "$BIN/"
"""


class Box:
    """A root file system of sorts: the script's absolute places are moved below a directory, its programs are fakes."""

    def __init__(self, place):
        self.place = place
        self.bin, self.spare, self.etc = (place / name for name in ("bin", "spare", "etc"))
        for folder in (self.bin, self.spare, self.etc, self.etc / "ssh", place / "root", place / "tmp", place / "run"):
            folder.mkdir()
        for name in ("grep", "cp", "touch", "mkdir", "chmod", "rm", "sed", "tail", "tr", "kill", "echo", "cat", "sh"):
            (self.bin / name).symlink_to(shutil.which(name))
        (self.etc / "passwd").write_text(f"root:x:0:0:root:{place}/root:/bin/sh\n")
        (self.etc / "shadow").write_text("root:!locked::0:::::\n")
        for name in ("id", "sleep"):
            self.program(name, PROGRAMS[name].replace("SLEEP", shutil.which("sleep")))
        for name in ("sshd", "ssh-keygen"):
            self.program(name, PROGRAMS[name], self.spare)
        self.log = place / "log"

    def program(self, name, body, folder=None):
        path = (folder or self.bin) / name
        path.write_text(f"#!{shutil.which('sh')}\n{body}\n")
        path.chmod(0o755)

    def with_server(self):
        for name in ("sshd", "ssh-keygen"):
            self.program(name, PROGRAMS[name])
        return self

    def installer(self, name="apt-get", fails=0):
        self.program(name, INSTALLER.format(name=name, fails=fails))
        return self

    def start(self, *words, **environ):
        text = re.sub(r"(?<![\w/.])/(etc|tmp|run|start\.sh)\b", rf"{self.place}/\1", bootstrap.script())
        text = text.replace("PATH=/usr/sbin:/usr/local/sbin:/sbin:$PATH ", "")
        (self.place / "boot").write_text(text)
        given = {"PATH": str(self.bin), "BIN": str(self.bin), "SPARE": str(self.spare), "ETC": str(self.etc)}
        return subprocess.Popen(
            [shutil.which("sh"), str(self.place / "boot"), *words],
            env={**given, "LOG": str(self.log), "PUBLIC_KEY": KEY, **environ},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def said(self, until, *words, **environ):
        """What the script prints up to a line with these words; then it is ended as a container is."""
        process = self.start(*words, **environ)
        lines = []
        try:
            for line in process.stdout:
                lines.append(line.rstrip())
                if until in line:
                    break
        finally:
            alive = process.poll() is None
            os.killpg(process.pid, signal.SIGTERM)
            lines.append(f"ended with {process.wait(timeout=30)}")
            process.stdout.close()
        assert alive, f"the pod must stay: {lines}"
        return lines

    def logged(self):
        return self.log.read_text().splitlines()


@pytest.fixture(name="box")
def _box(tmp_path):
    return Box(tmp_path)


def test_a_server_that_is_there_is_started_with_our_key_and_fresh_host_keys(box):
    (box.etc / "ssh" / "ssh_host_old_key").write_text("everybody has it")
    (box.etc / "ssh" / "ssh_host_old_key.pub").write_text("everybody has it")
    lines = box.with_server().said("the SSH server runs")
    assert "256 SHA256:AbC root@pod (ED25519)" in lines
    assert lines.count("256 SHA256:AbC root@pod (ED25519)") == 1
    assert not (box.etc / "ssh" / "ssh_host_old_key").exists()
    keys = box.place / "root" / ".ssh" / "authorized_keys"
    assert keys.read_text() == f"{KEY}\n"
    assert keys.stat().st_mode & 0o777 == 0o600
    assert keys.parent.stat().st_mode & 0o777 == 0o700
    assert (box.etc / "shadow").read_text() == "root:*::0:::::\n"
    (told,) = [line for line in box.logged() if line.startswith("sshd -p 22 ")]
    for option in ("AuthorizedKeysFile=.ssh/authorized_keys", "PermitRootLogin=prohibit-password", "UsePAM=no"):
        assert f"-o {option}" in told
    assert lines[-1] == "ended with 143"


def test_our_key_is_a_line_of_its_own_after_a_file_without_an_end(box):
    keys = box.place / "root" / ".ssh" / "authorized_keys"
    keys.parent.mkdir(parents=True, exist_ok=True)
    keys.write_text("ssh-rsa CCCC image")
    box.with_server().said("the SSH server runs")
    assert keys.read_text() == f"ssh-rsa CCCC image\n{KEY}\n"


def test_several_keys_stand_one_a_line(box):
    box.with_server().said("the SSH server runs", PUBLIC_KEY=f"{KEY}\nssh-rsa BBBB you")
    keys = (box.place / "root" / ".ssh" / "authorized_keys").read_text()
    assert keys == f"{KEY}\nssh-rsa BBBB you\n"


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("apt-get", "apt-get -q install -y --no-install-recommends openssh-server rsync"),
        ("apk", "apk add --no-cache openssh rsync"),
        ("microdnf", "microdnf install -y openssh-server rsync"),
        ("dnf", "dnf install -y openssh-server rsync"),
        ("yum", "yum install -y openssh-server rsync"),
    ],
)
def test_a_missing_server_is_installed_with_what_the_image_has(box, name, command):
    lines = box.installer(name).said("the SSH server runs")
    assert f"podyard: installing an SSH server with {name}" in lines
    assert command in box.logged()


def test_a_mirror_that_fails_is_asked_again_and_the_last_time_for_the_server_alone(box):
    box.installer("apk", fails=2).said("the SSH server runs")
    asked = [line for line in box.logged() if line.startswith("apk")]
    assert asked == ["apk add --no-cache openssh rsync"] * 2 + ["apk add --no-cache openssh"]


@pytest.mark.parametrize(
    ("prepare", "environ", "words"),
    [
        (lambda box: box, {}, "the image has no SSH server, and no apt-get, apk, dnf, microdnf or yum"),
        (lambda box: box.installer("apk", fails=9), {}, "apk could not install an SSH server: E: no network"),
        (lambda box: box.with_server(), {"PUBLIC_KEY": "null"}, "PUBLIC_KEY holds no key"),
        (lambda box: box.with_server(), {"PUBLIC_KEY": ""}, "PUBLIC_KEY holds no key"),
        (lambda box: box.with_server(), {"FAKE_UID": "1000"}, "the container runs as user 1000, and only root"),
    ],
)
def test_what_cannot_be_is_said_in_one_line_and_the_pod_stays(box, prepare, environ, words):
    prepare(box)
    lines = box.said(bootstrap.FAILED, **environ)
    assert words in next(line for line in lines if line.startswith(bootstrap.FAILED))


BIND = "error: Bind to port 22 on 0.0.0.0 failed: Address already in use."


@pytest.mark.parametrize(("code", "looks"), [(1, 0), (0, 15)])
def test_a_server_that_does_not_start_is_told(box, code, looks):
    """It leaves for the background, and so with success, before it takes its port."""
    body = f'while [ "$1" != -E ]; do shift; done; echo "{BIND}" >>"$2"; exit {code}'
    box.with_server().program("sshd", f'[ "$1" != -t ] || exit 0; {body}')
    (box.place / "run" / "podyard-sshd").write_text("the number of one that ran before")
    lines = box.said(bootstrap.FAILED)
    assert f"{bootstrap.FAILED} sshd does not start on port 22: {BIND}" in lines
    pauses = box.place / "log.pauses"
    assert (pauses.read_text().split() if pauses.exists() else []) == ["1"] * looks


def test_a_server_that_takes_a_while_is_waited_for(box):
    later = 'for word; do case $word in PidFile=*) echo "$word" >"$LOG.file" ;; esac; done'
    box.with_server().program("sshd", f'[ "$1" != -t ] || exit 0; {later}')
    box.program("sleep", f'[ ! -e "$LOG.file" ] || echo 1 >{box.place}/run/podyard-sshd; [ "$1" != 3600 ] || {PAUSE}')
    assert "podyard: the SSH server runs" in box.said("the SSH server runs")


def test_what_an_image_says_of_its_server_does_not_count(box, tmp_path):
    """Asked of the real program: what it would do by these options beside an image's own settings."""
    sshd = shutil.which("sshd", path="/usr/sbin:/usr/local/sbin:/usr/bin")
    if sshd is None or shutil.which("ssh-keygen") is None:
        pytest.skip("there is no SSH server on this machine")
    if os.geteuid() == 0:
        # Debian's own start script makes it, and that never ran on a machine without an init.
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    box.with_server().said("the SSH server runs")
    (told,) = [line for line in box.logged() if line.startswith("sshd -p 22 ")]
    options = shlex.split(told.split(" -o SetEnv=")[0])[1:]
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "host"], check=True)
    own = "Port 2222\nAuthorizedKeysFile /etc/keys/%u\nPermitRootLogin no\nPasswordAuthentication yes\nPidFile none\n"
    (tmp_path / "config").write_text(f"HostKey {tmp_path}/host\n{own}")
    argv = [sshd, "-T", "-f", tmp_path / "config", *options]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    said = done.stdout.splitlines()
    assert [line for line in said if line.startswith("port ")] == ["port 22"]
    for line in ("authorizedkeysfile .ssh/authorized_keys", "passwordauthentication no", "pubkeyauthentication yes"):
        assert line in said


def test_an_own_command_runs_after_ssh_is_set_up_and_its_end_is_not_the_pods(box):
    lines = box.with_server().said("ended with exit code", "sh", "-c", 'echo "own: $1"; exit 3', "own", "a b")
    assert lines.index("own: a b") > lines.index("podyard: the SSH server runs")
    assert "podyard: the start command ended with exit code 3; the pod stays" in lines


def test_an_own_command_hears_that_the_pod_ends(box):
    # The last line is the shell's own: its child is ended too, and the command has its say before.
    own = 'trap "echo bye >>\\"$LOG\\"; exit 0" TERM; echo begun; while :; do sleep 1; done'
    lines = box.with_server().said("begun", "sh", "-c", own)
    assert "bye" in box.logged()
    assert lines[-1] == "ended with 143"


def test_an_image_made_from_an_official_one_starts_by_itself(box):
    box.program("start.sh", 'echo "official $PUBLIC_KEY"; exec sleep 3600', box.place)
    lines = box.with_server().said("official")
    assert not any("podyard:" in line for line in lines)


@pytest.mark.parametrize("body", ["echo no business of ours", 'echo "$PUBLIC_KEY"'])
def test_a_start_script_of_another_kind_is_no_promise_of_ssh(box, body):
    box.program("start.sh", body, box.place)
    if "PUBLIC_KEY" in body:
        box.installer("apt-get")
    else:
        box.with_server()
    box.said("the SSH server runs")
