# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The dead-man switch. Its program is run for real by a POSIX shell, beside programs and a clock of the test's own."""

from __future__ import annotations

import http.server
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from ansible_collections.podyard.gpu.plugins.module_utils._core.errors import BadRequest
from ansible_collections.podyard.gpu.plugins.module_utils._core.pod import PodRequest
from ansible_collections.podyard.gpu.plugins.module_utils._pods import bootstrap, lease
from ansible_collections.podyard.gpu.plugins.module_utils._providers.runpod import wire
from ansible_collections.podyard.gpu.plugins.module_utils._providers.vastai import wire as vastai
from ansible_collections.podyard.gpu.plugins.module_utils._training import state

VAST = vastai.own_end("https://api.example")
RUNPOD = wire.own_end("https://api.example/")
VAST_ENV = {"CONTAINER_API_KEY": "own-key", "CONTAINER_ID": "77"}
RUNPOD_ENV = {"RUNPOD_API_KEY": "own-key", "RUNPOD_POD_ID": "abc"}
# Far more than any of it takes, for a machine that does much else.
PATIENCE = 20.0
NEEDED = ["sh", "date", "tr", "sed", "head", "cat", "rm", "mkdir", "tail", "mv", "base64", "gzip", "setsid", "env"]
CURL = 'echo "curl $*" >>"$LOG"; cat >"$LOG.config"; [ ! -e "$LOG.refuses" ] || { echo "curl: (22) 403" >&2; exit 22; }'


class Pod:
    """A container of sorts: its search path, its clock and the place of its lease are below a directory."""

    def __init__(self, place, monkeypatch, own_end=VAST, environ=None, seconds=100):
        self.place, self.bin = place, place / "bin"
        self.bin.mkdir()
        for name in NEEDED:
            (self.bin / name).symlink_to(shutil.which(name))
        # A pause is a moment: the time that counts is the clock's.
        self.program("sleep", f"exec {shutil.which('sleep')} 0.01")
        self.folder = place / "lease"
        self.log = place / "asked"
        self.environ = {"PATH": str(self.bin), "LOG": str(self.log), **(VAST_ENV if environ is None else environ)}
        self.clock(1000)
        moved = lease.PROGRAM.replace("/proc/uptime", f"{place}/uptime")
        for name in ("/proc/1/environ", "/etc/environment", "/etc/rp_environment"):
            moved = moved.replace(name, f"{place}/{Path(name).name}")
        monkeypatch.setattr(lease, "PROGRAM", moved)
        monkeypatch.setattr(lease, "LEASE", str(self.folder))
        self.lease = lease.Lease(seconds, own_end)

    def program(self, name, body):
        (self.bin / name).write_text(f"#!{shutil.which('sh')}\n{body}\n")
        (self.bin / name).chmod(0o755)
        return self

    def with_curl(self):
        return self.program("curl", CURL)

    def clock(self, seconds):
        """Set it; in one step, for the watcher may read it at any moment."""
        fresh = self.place / "uptime.new"
        fresh.write_text(f"{seconds}.37 12.00\n")
        fresh.rename(self.place / "uptime")

    def run(self, text, **environ):
        return subprocess.run(
            [shutil.which("sh"), "-c", text],
            env={**self.environ, **environ},
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )

    def boot(self, grace=60, **environ):
        return self.run(self.lease.at_boot(grace), **environ)

    def login(self, **environ):
        return self.run(self.lease.at_login(), **environ)

    def read(self, name):
        try:
            return (self.folder / name).read_text().strip()
        except FileNotFoundError:
            return ""

    def watchers(self):
        """Their numbers, without those of their subshells."""
        found = {}
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except (FileNotFoundError, ProcessLookupError):
                continue
            if f"{self.folder}/lease".encode() in words and b"watch" in words:
                found[int(entry.name)] = parent
        return [pid for pid, parent in found.items() if parent not in found]

    def looked(self):
        """Wait until the watcher has looked at everything once more."""
        for _look in range(2):
            before = (self.folder / "ends").stat().st_mtime_ns
            until(lambda seen=before: (self.folder / "ends").stat().st_mtime_ns != seen, "another look")

    def asked(self):
        return self.log.read_text().splitlines() if self.log.exists() else []


def until(condition, what):
    end = time.monotonic() + PATIENCE
    while True:
        try:
            value = condition()
        except FileNotFoundError:
            value = None
        if value:
            return value
        assert time.monotonic() < end, f"waited in vain for {what}"
        time.sleep(0.01)


@pytest.fixture(name="make")
def _make(tmp_path, monkeypatch):
    made = []

    def make(**options):
        made.append(Pod(tmp_path, monkeypatch, **options))
        return made[-1]

    yield make
    for pod in made:
        for pid in pod.watchers():
            os.kill(pid, signal.SIGKILL)


# -- the life of a lease


def test_from_the_container_s_start_a_pod_waits_the_grace_and_then_ends_itself(make):
    pod = make().with_curl()
    done = pod.boot(grace=60)
    assert lease.said(done.stdout) == lease.ARMED
    assert until(lambda: pod.read("ends"), "the first deadline") == "1060"
    pod.clock(1059)
    pod.looked()
    assert pod.asked() == []
    pod.clock(1060)
    (asked,) = until(pod.asked, "the order")
    assert "-X DELETE" in asked and asked.endswith("https://api.example/api/v0/instances/77/")
    until(lambda: "took the order" in pod.read("log"), "a line that says so")
    assert "the lease was not renewed" in pod.read("log")


def test_the_key_is_in_no_argument_and_in_no_file_that_stays(make):
    pod = make().with_curl()
    pod.boot(grace=0)
    until(lambda: "took the order" in pod.read("log"), "the end")
    assert "own-key" not in pod.asked()[0]
    assert Path(f"{pod.log}.config").read_text() == 'header="Authorization: Bearer own-key"\n'
    assert all("own-key" not in file.read_text() for file in pod.folder.iterdir())


def test_a_renewal_counts_from_the_moment_it_is_made(make):
    pod = make(seconds=100).with_curl()
    pod.boot(grace=60)
    assert until(lambda: pod.read("ends"), "the first deadline") == "1060"
    pod.clock(1050)
    (pod.folder / "renew").touch()
    until(lambda: not (pod.folder / "renew").exists(), "the renewal taken")
    assert until(lambda: pod.read("ends") != "1060" and pod.read("ends"), "the next deadline") == "1150"
    pod.clock(1149)
    pod.looked()
    assert pod.asked() == []
    pod.clock(1150)
    until(pod.asked, "the order")


def test_a_login_renews_and_its_hours_count_from_then_on(make):
    pod = make(seconds=100).with_curl()
    pod.boot(grace=10)
    first = until(lambda: pod.read("on"), "the watcher")
    pod.clock(1005)
    pod.lease = lease.Lease(500, VAST)
    assert lease.said(pod.login().stdout) == lease.ARMED
    assert until(lambda: pod.read("ends") == "1505" and pod.read("ends"), "the longer lease")
    assert pod.read("on") == first and len(pod.watchers()) == 1


def test_a_login_arms_where_nothing_could_be_armed_before(make):
    pod = make(seconds=100).with_curl()
    assert lease.said(pod.login().stdout) == lease.ARMED
    assert until(lambda: pod.read("ends"), "the deadline") == "1100"


def test_onstart_runs_at_each_start_and_one_watcher_stays(make):
    pod = make().with_curl()
    pod.boot(grace=60)
    first = until(lambda: pod.read("on"), "the watcher")
    until(lambda: pod.read("ends"), "the deadline")
    pod.clock(1030)
    for _start in range(3):
        pod.boot(grace=60)
    pod.looked()
    # A start that finds a watcher takes a moment to end.
    until(lambda: len(pod.watchers()) == 1, "the other starts to end")
    assert pod.read("on") == first
    assert pod.read("ends") == "1060", "somebody may have renewed it: only a new container begins anew"


def test_a_container_that_starts_again_waits_anew(make):
    pod = make().with_curl()
    pod.boot(grace=60)
    until(lambda: pod.read("ends"), "the deadline")
    (pid,) = pod.watchers()
    os.kill(pid, signal.SIGKILL)
    until(lambda: not pod.watchers(), "its end")
    (pod.folder / "renew").touch()
    # The machine was started again as well: its clock began at nothing.
    pod.clock(20)
    pod.boot(grace=60)
    until(lambda: pod.read("ends") == "80", "the new deadline")
    assert len(pod.watchers()) == 1


def test_of_two_that_were_started_at_once_one_stays(make):
    pod = make().with_curl()
    pod.boot()
    until(lambda: pod.read("on"), "the first")
    (first,) = pod.watchers()
    command = [shutil.which("sh"), str(pod.folder / "lease"), "watch", "60"]
    with subprocess.Popen(command, env=pod.environ, start_new_session=True) as second:
        until(lambda: second.poll() is not None or first not in pod.watchers(), "one of them to leave")
        pod.looked()
        (left,) = pod.watchers()
        assert left in (first, second.pid)
        os.kill(left, signal.SIGKILL)


def test_an_emptied_tmp_takes_nothing_away(make):
    pod = make().with_curl()
    pod.boot(grace=60)
    until(lambda: pod.read("ends"), "the deadline")
    # In one step: the program writes there meanwhile.
    shutil.rmtree(pod.folder.rename(pod.folder.with_name("emptied")))
    until(lambda: pod.read("ends") == "1060" and pod.read("seconds") == "100", "the place made anew")
    (pod.folder / "renew").touch()
    until(lambda: pod.read("ends") == "1100", "a renewal")
    pod.clock(1100)
    until(pod.asked, "the order")


def test_a_refused_order_is_given_again_and_a_renewal_calls_it_off(make):
    pod = make(seconds=100).with_curl()
    Path(f"{pod.log}.refuses").touch()
    pod.boot(grace=0)
    until(lambda: "did not take the order: curl: (22) 403" in pod.read("log"), "the refusal")
    pod.looked()
    assert len(pod.asked()) == 1, "the second try comes five seconds later"
    pod.clock(1005)
    until(lambda: len(pod.asked()) == 2, "the second try")
    (pod.folder / "renew").touch()
    until(lambda: pod.read("ends") == "1105", "the renewal")
    pod.clock(1100)
    pod.looked()
    assert len(pod.asked()) == 2
    # First the provider, then the clock: the next try may come at once.
    Path(f"{pod.log}.refuses").unlink()
    pod.clock(1105)
    until(lambda: "the provider took the order" in pod.read("log"), "the end after all")


def refused_for_an_hour(pod):
    Path(f"{pod.log}.refuses").touch()
    pod.boot(grace=0)
    for number in range(1, 20):
        until(lambda n=number: f"(try {n})" in pod.read("log"), f"try {number}")
        until(lambda n=number: pod.read("log").count("the provider ") == n, f"answer {number}")
        if number < 19:
            assert "stop" not in "".join(pod.asked())
        pod.clock(1000 + 700 * number)
    until(lambda: "stop" in "".join(pod.asked()), "the stop")
    # The tries go on.
    asked = pod.asked()
    return asked[: next(number for number, line in enumerate(asked) if "stop" in line) + 1]


def test_after_an_hour_of_refusals_vast_ai_is_asked_for_a_stop(make):
    asked = refused_for_an_hour(make().with_curl())
    assert "-X PUT" in asked[-1] and '-d {"state":"stopped"}' in asked[-1]


def test_after_an_hour_of_refusals_runpod_is_asked_for_a_stop(make):
    asked = refused_for_an_hour(make(own_end=RUNPOD, environ=RUNPOD_ENV).with_curl())
    assert "-X POST" in asked[-1] and asked[-1].endswith("https://api.example/v2/pods/abc/action")


def test_on_runpod_the_vendor_s_program_is_the_second_way_in_both_its_spellings(make):
    pod = make(own_end=RUNPOD, environ=RUNPOD_ENV).with_curl()
    pod.program("runpodctl", 'echo "$RUNPOD_API_KEY: runpodctl $*" >>"$LOG"; [ "$1" = remove ]')
    Path(f"{pod.log}.refuses").touch()
    pod.boot(grace=0)
    until(lambda: "took the order" in pod.read("log"), "the end")
    first, *others = pod.asked()
    assert "-X DELETE" in first and first.endswith("https://api.example/v2/pods/abc")
    assert others == ["own-key: runpodctl pod delete abc", "own-key: runpodctl remove pod abc"]


# -- what a container may lack


def test_a_session_of_ssh_finds_the_key_in_the_container_s_own_variables(make):
    pod = make(environ={}).with_curl()
    (pod.place / "environ").write_bytes(b"PATH=/bin\0CONTAINER_API_KEY=from-init\0CONTAINER_ID=5\0")
    assert lease.said(pod.login().stdout) == lease.ARMED
    until(lambda: pod.read("ends"), "the deadline")
    pod.clock(1100)
    until(lambda: "took the order" in pod.read("log"), "the end")
    assert pod.asked()[0].endswith("/api/v0/instances/5/")
    assert "from-init" in Path(f"{pod.log}.config").read_text()


def test_where_init_is_not_readable_the_image_s_own_record_helps(make):
    pod = make(own_end=RUNPOD, environ={}).with_curl()
    (pod.place / "rp_environment").write_text('export RUNPOD_API_KEY="recorded"\nexport RUNPOD_POD_ID="abc"\n')
    assert lease.said(pod.login().stdout) == lease.ARMED


def test_without_a_key_it_says_so(make):
    pod = make(environ={}).with_curl()
    assert lease.said(pod.login().stdout) == lease.NO_KEY
    assert "no key" in pod.read("log") and pod.watchers() == []


def test_without_curl_python_asks(make):
    pod = make()
    seen = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_DELETE(self):
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            seen.append((self.path, self.headers["Authorization"], self.headers["User-Agent"], body))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_words):
            """Nothing to say."""

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            pod.program("python3", f'exec {sys.executable} -I "$@"')
            pod.lease = lease.Lease(100, vastai.own_end(f"http://127.0.0.1:{server.server_port}"))
            pod.boot(grace=0)
            until(lambda: "took the order" in pod.read("log"), "the end")
        finally:
            server.shutdown()
    assert seen[0] == ("/api/v0/instances/77/", "Bearer own-key", "podyard", b"{}")


def test_without_both_wget_asks(make):
    pod = make()
    pod.program(
        "wget", 'echo "wget $*" >>"$LOG"; for w; do case $w in --config=*) cat "${w#*=}" >"$LOG.config";; esac; done'
    )
    pod.boot(grace=0)
    until(lambda: "took the order" in pod.read("log"), "the end")
    asked = pod.asked()[0]
    assert "--method=DELETE" in asked and asked.endswith("https://api.example/api/v0/instances/77/")
    assert Path(f"{pod.log}.config").read_text() == "header=Authorization: Bearer own-key\n"
    assert "own-key" not in asked


def test_without_any_of_them_curl_is_fetched_for_the_next_try(make):
    pod = make()
    spare = pod.with_curl().bin / "curl"
    spare.rename(pod.place / "curl")
    (pod.bin / "cp").symlink_to(shutil.which("cp"))
    pod.program("apt-get", f'[ "$1" != install ] || cp {pod.place}/curl {pod.bin}/curl')
    pod.boot(grace=0)
    until(lambda: "did not take the order" in pod.read("log"), "the first try")
    pod.clock(1005)
    until(lambda: "took the order" in pod.read("log"), "the second try")


@pytest.mark.parametrize("shell", ["dash", "bash", "busybox"])
def test_each_shell_can_run_it(make, shell):
    found = shutil.which(shell)
    if found is None:
        pytest.skip(f"there is no {shell} on this machine")
    pod = make().with_curl()
    (pod.bin / "sh").unlink()
    if shell == "busybox":
        pod.program("sh", f'exec {found} sh "$@"')
    else:
        (pod.bin / "sh").symlink_to(found)
    assert lease.said(pod.boot(grace=0).stdout) == lease.ARMED
    until(lambda: "took the order" in pod.read("log"), "the end")


def test_shellcheck_has_nothing_to_say(tmp_path):
    beside = Path(sys.executable).parent / "shellcheck"
    program = str(beside) if beside.exists() else shutil.which("shellcheck")
    if program is None:
        pytest.skip("there is no shellcheck on this machine")
    (tmp_path / "lease").write_text("#!/bin/sh\n" + lease.Lease(100, RUNPOD).program())
    # The program is written to be small: words are not quoted where they cannot hold a blank, and variables are global.
    allowed = "SC2086,SC2034,SC2181,SC2154,SC2166,SC1090,SC2015"
    done = subprocess.run(
        [program, "-e", allowed, str(tmp_path / "lease")], capture_output=True, text=True, check=False
    )
    assert done.stdout + done.stderr == ""


# -- how it gets onto the pod


@pytest.mark.parametrize("hours", [-1.0, float("nan"), float("inf"), 9000.0])
def test_hours_that_make_no_sense_are_refused(hours):
    with pytest.raises(BadRequest, match="The option lease is"):
        lease.lease(hours, VAST, "vastai")


def test_no_hours_no_lease_and_no_key_no_lease():
    assert lease.lease(0, VAST, "vastai") is None
    assert lease.lease(None, None, "other") is None
    with pytest.raises(BadRequest, match="a pod of other has no key"):
        lease.lease(2.0, None, "other")
    assert lease.lease(1.5, VAST, "vastai").seconds == 5400


def test_the_place_is_the_same_for_who_arms_and_who_renews():
    assert lease.LEASE == state.LEASE
    assert re.search(rf"^d={lease.LEASE} ", lease.Lease(1, VAST).program(), re.MULTILINE)


def test_the_start_script_of_vast_ai_has_room_for_it_beside_two_long_keys():
    keys = tuple(f"ssh-rsa {'A' * 540} me@{number}" for number in range(2))
    request = PodRequest("p", "i", "g", "g", public_keys=keys, boot=lease.Lease(7200, VAST).at_boot())
    text = vastai.onstart(request)
    assert len(text) <= vastai.MOST_SCRIPT and text.startswith(request.boot)


def test_the_start_script_leaves_it_out_rather_than_the_user_s_own():
    own = "echo mine\n" * 200
    boot = lease.Lease(7200, VAST).at_boot()
    text = vastai.onstart(PodRequest("p", "i", "g", "g", onstart=own, boot=boot))
    assert boot not in text and text.endswith(own)


def test_the_start_command_of_a_raw_image_begins_with_it():
    boot = lease.Lease(7200, RUNPOD).at_boot()
    args = bootstrap.wrap("python train.py", boot)
    told = bootstrap.our_script(args)
    assert told.index(boot) < told.index("set_up_ssh\n")
    assert bootstrap.unwrap(args) == "python train.py"
    changed = bootstrap.rewrap(args, "python other.py")
    assert bootstrap.our_script(changed) == told and bootstrap.unwrap(changed) == "python other.py"
