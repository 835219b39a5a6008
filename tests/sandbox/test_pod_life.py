# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The life of a pod: start, stop, restart, destroy, and what happens when its command ends."""

from __future__ import annotations

import asyncio
import json
import re
import threading

import pytest
from pods_conftest import Lab, lab, pod_processes, within

from podyard_sandbox.pods import LogLine, PodError

__all__ = ["lab"]


def host_keys(lab: Lab, port: int) -> set[str]:
    return {line.split(" ", 1)[1] for line in lab.call("ssh-keyscan", "-p", str(port), "127.0.0.1").out.splitlines()}


def test_stop_wipes_all_but_the_mount(lab: Lab) -> None:
    pod = lab.ready()
    places = ("/workspace", "/root", "/tmp", "/etc", "/usr/local/bin", "/var/lib", "/opt", "")
    lab.ssh(pod, "; ".join(f"echo kept > {place}/made" for place in places), check=True)
    before = host_keys(lab, pod.ports["22/tcp"])
    lab.do(lab.runtime.stop("p1"))
    assert pod_processes(lab.home) == []
    again = lab.ready()
    found = lab.ssh(again, "; ".join(f"ls {place}/made" for place in places)).out.split()
    assert found == ["/workspace/made"]
    assert again.ports["22/tcp"] != pod.ports["22/tcp"]
    after = host_keys(lab, again.ports["22/tcp"])
    assert len(before) == len(after) == 3 and not before & after


def test_without_a_volume_nothing_is_kept(lab: Lab) -> None:
    pod = lab.ready(mount_path=None)
    lab.ssh(pod, "echo lost > /workspace/made", check=True)
    lab.do(lab.runtime.stop("p1"))
    assert lab.ssh(lab.ready(mount_path=None), "ls -A /workspace", check=True).out == ""


def test_mount_path_is_where_it_was_asked(lab: Lab) -> None:
    pod = lab.ready(mount_path="/data/volume")
    lab.ssh(pod, "echo kept > /data/volume/made", check=True)
    pod = lab.do(lab.runtime.restart("p1"))
    lab.until(lambda: lab.ssh(pod, "true").code == 0, "SSH")
    assert lab.ssh(pod, "cat /data/volume/made", check=True).out == "kept\n"


def test_stop_ends_processes_that_left_their_session(lab: Lab) -> None:
    pod = lab.ready()
    lab.ssh(pod, "setsid nohup sleep 4712 > /dev/null 2>&1 < /dev/null & trap '' TERM HUP; true", check=True)
    assert len(pod_processes(lab.home)) >= 4
    lab.do(lab.runtime.stop("p1"))
    assert pod_processes(lab.home) == []


def test_restart_is_a_new_container_in_the_same_place(lab: Lab) -> None:
    pod = lab.ready()
    lab.ssh(pod, "touch /workspace/kept /root/lost", check=True)
    again = lab.do(lab.runtime.restart("p1"))
    lab.until(lambda: lab.ssh(again, "true").code == 0, "SSH")
    assert lab.ssh(again, "ls /workspace; ls /root", check=True).out == "kept\n"
    assert again.ports != pod.ports and again.started_at > pod.started_at


def test_destroy_removes_the_mount_too(lab: Lab) -> None:
    pod = lab.ready()
    lab.ssh(pod, "mkdir -m 0 /workspace/shut; touch /workspace/made", check=True)
    log = lab.runtime.log("p1")
    lab.do(lab.runtime.destroy("p1"))
    assert pod_processes(lab.home) == []
    assert [path.name for path in (lab.home / "pods").glob("*/*")] == [".images"]
    # Who reads along comes to the end.
    lab.do(within(_drain(log.follow())))
    assert lab.ssh(lab.ready(), "ls -A /workspace", check=True).out == ""
    lab.do(lab.runtime.destroy("never-made"))


async def _drain(stream) -> list[LogLine]:  # type: ignore[no-untyped-def]
    return [line async for line in stream]


def test_args_replace_the_images_command(lab: Lab) -> None:
    pod = lab.start(args="bash -c 'echo \"my own\" $0; exec sleep infinity' word")
    lab.until(lambda: "my own word" in lab.log_texts(), "the command's output")
    assert lab.log_texts() == ["my own word"]
    assert lab.call("ssh-keyscan", "-T", "1", "-p", str(pod.ports["22/tcp"]), "127.0.0.1").out == ""


def test_args_as_json(lab: Lab) -> None:
    lab.start(args=json.dumps({"entrypoint": ["/bin/sh", "-c"], "cmd": ["echo a  b; sleep infinity"]}))
    lab.until(lambda: lab.log_texts() == ["a b"], "the command's output")


def test_args_can_bring_ssh_up_themselves(lab: Lab) -> None:
    boot = (
        'bash -c \'mkdir -p ~/.ssh && echo "$PUBLIC_KEY" >> ~/.ssh/authorized_keys && chmod 700 ~/.ssh && '
        "ssh-keygen -A && service ssh start; sleep infinity'"
    )
    pod = lab.ready(args=boot)
    assert lab.ssh(pod, "echo up", check=True).out == "up\n"


@pytest.mark.parametrize(
    "args", ["echo 'open", '{"cmd": "text"}', '{"entrypoint": 1}', '{"other": []}', '{"cmd": [', '{"cmd": []}']
)
def test_args_that_are_no_command(lab: Lab, args: str) -> None:
    with pytest.raises(PodError, match=r"^pod p1: its args "):
        lab.start(args=args)
    assert not (lab.home / "pods").exists()


def test_command_that_ends_is_restarted_on_a_fresh_disk(lab: Lab) -> None:
    pod = lab.start(args="bash -c 'ls /tmp/made /workspace/made 2>/dev/null; touch /tmp/made /workspace/made; exit 3'")
    first = pod.pid
    port = dict(pod.ports)
    lab.until(lambda: lab.log_texts().count("/workspace/made") >= 2, "the second restart")
    assert "/tmp/made" not in lab.log_texts()
    system = lab.log_texts(source="system")
    assert "container exited with code 3" in system
    assert any(text.startswith("restarting container in") for text in system)
    assert pod.ports == port and pod.pid != first


def test_command_that_does_not_exist_is_tried_again_and_again(lab: Lab) -> None:
    lab.start(args="/no/such/program")
    said = "bwrap: execvp /no/such/program: No such file or directory"
    lab.until(lambda: lab.log_texts().count(said) >= 2, "a retry")
    assert "container exited with code 1" in lab.log_texts(source="system")


def test_restart_loop_ends_with_stop(lab: Lab) -> None:
    lab.start(args="false")
    lab.until(lambda: "container exited with code 1" in lab.log_texts(source="system"), "the end of the command")
    lab.do(lab.runtime.stop("p1"))
    # Nobody is left who could start it again.
    assert lab.do(_other_tasks()) == [] and pod_processes(lab.home) == []


async def _other_tasks() -> list[str]:
    return [str(task) for task in asyncio.all_tasks() if task is not asyncio.current_task()]


def test_start_can_be_stopped_at_any_moment(lab: Lab) -> None:
    async def hurry() -> None:
        for pause in (0.0, 0.005, 0.02, 0.05, 0.1, 0.2):
            begun = asyncio.create_task(lab.runtime.start(lab.spec()))
            await asyncio.sleep(pause)
            begun.cancel()
            await asyncio.gather(begun, return_exceptions=True)
            await lab.runtime.destroy("p1")
            assert pod_processes(lab.home) == []

    lab.do(hurry())


def test_ended_orphans_are_collected(lab: Lab) -> None:
    pod = lab.ready()
    lab.ssh(
        pod, "for i in 1 2 3 4 5; do (setsid sh -c 'sleep 0.1 & exit' > /dev/null 2>&1 < /dev/null &); done", check=True
    )
    lab.until(lambda: "sleep 0.1" not in lab.ssh(pod, "ps -e -o args=", check=True).out, "the end of the orphans")
    assert "Z" not in lab.ssh(pod, "ps -e -o stat=", check=True).out


def test_many_start_side_by_side(lab: Lab) -> None:
    async def together() -> list[int]:
        pods = await asyncio.gather(*(lab.runtime.start(lab.spec(f"p{n}", env={})) for n in range(6)))
        return [pod.ports["22/tcp"] for pod in pods]

    assert len(set(lab.do(together()))) == 6


def test_ports_are_where_they_were_asked(lab: Lab) -> None:
    pod = lab.ready(ports=("22/tcp", "8188/tcp", "70001/tcp", "8888/http"))
    assert set(pod.ports) == {"22/tcp", "8188/tcp", "70001/tcp"}
    assert pod.ports["8188/tcp"] == 8188 and pod.ports["70001/tcp"] < 65536
    told = dict(re.findall(r"RUNPOD_TCP_PORT_(\d+)=\"(\d+)\"", lab.ssh(pod, "cat /etc/rp_environment", check=True).out))
    assert told == {entry.split("/")[0]: str(port) for entry, port in pod.ports.items()}


def test_without_public_ports_there_is_no_public_address(lab: Lab) -> None:
    pod = lab.start(ports=("8888/http",), args="bash -c 'env; sleep infinity'")
    lab.until(lambda: any(text.startswith("PATH=") for text in lab.log_texts()), "the environment")
    assert pod.ports == {} and not any("RUNPOD_" in text for text in lab.log_texts())


def test_a_pod_cannot_be_started_twice(lab: Lab) -> None:
    lab.start()
    with pytest.raises(PodError, match=r"^pod p1 is already running; stop it first$"):
        lab.start()


def test_a_pod_that_was_never_made(lab: Lab) -> None:
    for act in (lab.runtime.stop, lab.runtime.restart):
        with pytest.raises(PodError, match=r"^there is no pod 'nope'$"):
            lab.do(act("nope"))
    with pytest.raises(PodError, match=r"^there is no pod 'nope'$"):
        lab.runtime.utilisation("nope")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"pod_id": "../p"}, "the pod id '../p' is not made of"),
        ({"hostname": "a b"}, "'a b' is not a host name"),
        ({"profile": "fedora"}, "there is no image profile 'fedora', only runpod, "),
        ({"ports": ("22",)}, "'22' is not a port like 22/tcp"),
        ({"mount_path": "data"}, "a volume cannot be mounted at 'data'"),
        ({"mount_path": "/usr/"}, "a volume cannot be mounted at '/usr/'"),
        ({"mount_path": "/data/../etc"}, "a volume cannot be mounted at '/data/../etc'"),
        ({"env": {"A=B": "c"}}, "'A=B' cannot be the name of an environment variable"),
    ],
)
def test_what_cannot_be_a_pod(lab: Lab, change: dict[str, object], words: str) -> None:
    with pytest.raises(PodError, match=re.escape(words)):
        lab.spec(**change)  # type: ignore[arg-type]


def test_log_lines_have_numbers_and_can_be_followed(lab: Lab) -> None:
    three = "for i in 1 2 3; do echo line $i; sleep 0.1; done"
    said = f'{three}; printf "a\\xff\\r\\nlast"; touch /workspace/said'
    lab.start(args=f"bash -c '{said}; sleep infinity'")

    async def first_four() -> list[LogLine]:
        seen: list[LogLine] = []
        async for line in lab.runtime.log("p1").follow(after=1):
            seen.append(line)
            if len(seen) == 3:
                break
        return seen

    lines = lab.do(within(first_four()))
    unreadable = "a\N{REPLACEMENT CHARACTER}"
    assert [(line.seq, line.text) for line in lines] == [(2, "line 2"), (3, "line 3"), (4, unreadable)]
    assert lines[0].at < lines[1].at
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/2", lines[0].event_id)
    assert [line.text for line in lab.runtime.log("p1").lines(tail=2)] == ["line 3", unreadable]
    # What had no line end yet is not lost when the container ends. The shell writes it after the line before it.
    lab.until(lambda: list(lab.home.glob("pods/*/p1/volume/said")), "the pod has written its last words")
    lab.do(lab.runtime.stop("p1"))
    assert lab.log_texts()[-1] == "last"


def test_a_pod_can_only_be_started_from_the_main_thread(lab: Lab) -> None:
    said: list[str] = []

    def elsewhere() -> None:
        try:
            asyncio.run(lab.runtime.start(lab.spec()))
        except PodError as error:
            said.append(str(error))

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert said == ["a pod can only be started from the main thread of the sandbox"]
