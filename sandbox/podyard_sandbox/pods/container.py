# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One container: a bubblewrap process, the pod's PID 1 inside it, and the log they write.

bubblewrap stays outside as a monitor and dies with the sandbox; PID 1 dies with bubblewrap, and with PID 1 the
kernel ends every process of the pod. All options go through an unnamed file, so that this machine's process list shows
neither the environment nor anything else of a pod.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

from . import images
from .disk import FOLDERS, SHARED_ETC
from .gpus import FACTS_PATH
from .launch import PLACE
from .log import LineSplitter, PodLog
from .spec import PodError, PodSpec

# What container engines grant to root in a container; sshd needs some of them, and none affects the machine.
_CAPABILITIES = (
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "NET_BIND_SERVICE",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
)
# Parts of /proc through which root, even without any capability, could change the whole machine.
_MACHINE_SETTINGS = ("acpi", "fs", "mtrr", "sys", "sysrq-trigger")
NAMESPACES = ("--as-pid-1", "--die-with-parent", "--unshare-pid", "--unshare-uts", "--unshare-ipc")
# bubblewrap must not pass the sandbox's environment on. Until a pod's command runs, its processes are bubblewrap's, and
# MARK in their environment says which pod they belong to; the pod itself never sees it.
BARE_ENVIRONMENT = {"PATH": images.PATH, "LANG": "C.UTF-8"}
MARK = "PODYARD_SANDBOX_PODS"
# Seconds between two checks whether bubblewrap became the pod's command; setting up the namespaces takes 20 ms.
_POLL_INTERVAL = 0.005
# Bytes per read of the pod's output.
_CHUNK = 65_536


def privileges() -> list[str]:
    """Return the options for the current user: root keeps few capabilities, others get a user namespace."""
    if os.geteuid() != 0:
        return ["--unshare-user"]
    return ["--cap-drop", "ALL", *(word for name in _CAPABILITIES for word in ("--cap-add", f"CAP_{name}"))]


def system_folders(*, bin_folder: Path = Path("/usr/bin"), sbin_folder: Path = Path("/usr/sbin")) -> Iterator[str]:
    """Yield the options for /usr and the folders beside it; the two program folders may come from elsewhere."""
    yield from ("--perms", "0755", "--dir", "/usr")
    for entry in sorted(Path("/usr").iterdir()):
        if entry.name in ("bin", "sbin"):
            yield from ("--ro-bind", str(entry), f"/usr/.{entry.name}")
        elif entry.is_symlink():
            yield from ("--symlink", os.readlink(entry), str(entry))
        elif entry.is_dir() and entry.name != "local":
            yield from ("--ro-bind", str(entry), str(entry))
    yield from ("--ro-bind", str(bin_folder), "/usr/bin", "--ro-bind", str(sbin_folder), "/usr/sbin")
    for name in ("bin", "sbin", "lib", "lib32", "lib64", "libx32"):
        beside = Path("/", name)
        if beside.is_symlink():
            yield from ("--symlink", os.readlink(beside), str(beside))
        elif beside.is_dir():
            yield from ("--ro-bind", str(beside), str(beside))


def options(spec: PodSpec, disk: Path, volume: Path, programs: images.ProgramDirs, extra: dict[str, str]) -> list[str]:
    """Return all of bubblewrap's options for a pod; `extra` is environment known only at its start (ports)."""
    found = [*NAMESPACES, *privileges(), "--hostname", spec.hostname, "--clearenv"]
    for name, value in {**images.environment(spec), **extra}.items():
        found += ["--setenv", name, value]
    found += _programs(spec, disk, programs)
    found += ["--bind", str(disk / "usr-local"), "/usr/local", "--bind", str(disk / "etc"), "/etc"]
    for name in SHARED_ETC:
        found += ["--ro-bind-try", f"/etc/{name}", f"/etc/{name}"]
    for name in FOLDERS:
        found += ["--bind", str(disk / name), f"/{name}"]
    found += ["--ro-bind", str(disk / "start.sh"), "/start.sh", "--dir", "/boot", "--tmpfs", "/run"]
    for name in ("/run/lock", "/run/sshd", str(Path(FACTS_PATH).parent)):
        found += ["--perms", "0755", "--dir", name]
    if spec.launch is not None:
        found += ["--ro-bind", str(disk.parent / "launch"), PLACE]
    if spec.gpu_count > 0:
        found += ["--ro-bind", str(disk / "gpus"), FACTS_PATH]
    if spec.mount_path is not None:
        found += ["--bind", str(volume), spec.mount_path]
    found += ["--ro-bind-try", "/sys", "/sys", "--proc", "/proc", "--dev", "/dev"]
    for name in _MACHINE_SETTINGS if os.geteuid() == 0 else ():
        found += ["--ro-bind-try", f"/proc/{name}", f"/proc/{name}"]
    return [*found, "--chdir", "/"]


def _programs(spec: PodSpec, disk: Path, programs: images.ProgramDirs) -> Iterator[str]:
    """Yield the options for the pod's programs, and for those that it could install."""
    links = programs.of(spec.profile, gpu=spec.gpu_count > 0)
    yield from system_folders(bin_folder=links / "bin", sbin_folder=links / "sbin")
    for covered in programs.covered(spec.profile):
        yield from ("--ro-bind", str(disk / "nothing"), covered)
    for folder in ("bin", "sbin"):
        if (own := disk / f"usr-{folder}").is_dir():
            yield from ("--bind", str(own), f"/usr/{folder}")
    for path, place in programs.ready(spec.profile):
        yield from ("--ro-bind", str(path), place)
    yield from ("--ro-bind", str(disk / "sshd-port"), images.SSHD_PORT)
    if not spec.packages:
        yield from ("--ro-bind", str(disk / "nothing"), f"{images.PACKAGES}/mirror-down")


class Container:
    """A started container; `pid` is the host's PID of its PID 1."""

    def __init__(self, process: asyncio.subprocess.Process, status: asyncio.StreamReader, log: PodLog) -> None:
        self._process = process
        self._status = status
        self._log = log
        self.pid = 0
        self._pidfd: int | None = None
        self._reader = asyncio.create_task(self._read())

    @classmethod
    async def start(cls, folder: Path, arguments: Sequence[str], command: Sequence[str], log: PodLog) -> Container:
        """Start `command` in a namespace made with `arguments`, for a pod in `folder`; return once it runs.

        Raises PodError with bubblewrap's own message if the namespaces cannot be set up.
        """
        if threading.current_thread() is not threading.main_thread():
            # The kernel ties "die with parent" to the thread that forked, not to its process.
            raise PodError("a pod can only be started from the main thread of the sandbox")
        # bubblewrap must not be killed between forking its child and releasing it: the orphan would wait for ever. So
        # this part always runs to its end, and everything is then ended through PID 1.
        spawning = asyncio.ensure_future(cls._spawn(folder, arguments, command, log))
        try:
            container = await asyncio.shield(spawning)
            await container._wait_for_command()
        except BaseException:
            await asyncio.wait([spawning])
            if spawning.exception() is None:
                await spawning.result().kill()
            raise
        return container

    @classmethod
    async def _spawn(cls, folder: Path, arguments: Sequence[str], command: Sequence[str], log: PodLog) -> Container:
        """Start bubblewrap and read the PID of its child: PID 1 of the pod, which then sets up the namespaces."""
        status, report = os.pipe()
        options_file = _anonymous_file(arguments)
        stream = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(stream), os.fdopen(status, "rb", 0)
        )
        try:
            process = await asyncio.create_subprocess_exec(
                "bwrap",
                "--args",
                str(options_file),
                "--json-status-fd",
                str(report),
                "--",
                *command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                pass_fds=(options_file, report),
                env={**BARE_ENVIRONMENT, MARK: str(folder)},
                cwd="/",
                start_new_session=True,
            )
        finally:
            # The stream ends, and closes its side, once bubblewrap has closed the other side.
            os.close(options_file)
            os.close(report)
        container = cls(process, stream, log)
        if first := await stream.readline():
            container.pid = int(json.loads(first)["child-pid"])
            with contextlib.suppress(ProcessLookupError):
                container._pidfd = os.pidfd_open(container.pid)
        return container

    async def wait(self) -> int:
        """Wait until PID 1 has ended and all its output is in the log; return its exit code (128 + signal)."""
        code = await self._process.wait()
        await self._reader
        self._close()
        return code

    async def kill(self) -> None:
        """End every process of the pod and wait until the kernel has."""
        if self._process.returncode is None:
            if self._pidfd is not None:
                # PID 1 may have ended by itself just now; then bubblewrap is about to follow.
                with contextlib.suppress(ProcessLookupError):
                    signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
            else:
                self._process.kill()
        await self.wait()

    async def _wait_for_command(self) -> None:
        """Wait until PID 1, at first a copy of bubblewrap, has become the pod's command."""
        while self._process.returncode is None:
            if self.pid and _name_of(self.pid) not in ("bwrap", None):
                return
            await asyncio.sleep(_POLL_INTERVAL)
        # bubblewrap reports an exit code only if it started the command; a command missing from the image ends at once.
        if b"exit-code" not in await self._status.read():
            await self._reader
            said = "; ".join(line.text for line in self._log.lines(tail=3)) or "no output"
            if ": execvp " not in said:
                raise PodError(f"bubblewrap could not set up the pod's namespaces: {said}")

    async def _read(self) -> None:
        assert self._process.stdout is not None
        splitter = LineSplitter()
        while data := await self._process.stdout.read(_CHUNK):
            for line in splitter.feed(data):
                self._log.add(line)
        for line in splitter.end():
            self._log.add(line)

    def _close(self) -> None:
        if self._pidfd is not None:
            os.close(self._pidfd)
            self._pidfd = None


def _anonymous_file(arguments: Sequence[str]) -> int:
    """Return the descriptor of an unnamed memory file that holds the arguments, each ended by a zero byte."""
    number = os.memfd_create("options", 0)
    with os.fdopen(os.dup(number), "wb") as out:
        out.write(b"".join(argument.encode() + b"\0" for argument in arguments))
    os.lseek(number, 0, os.SEEK_SET)
    return number


def _name_of(pid: int) -> str | None:
    try:
        return Path("/proc", str(pid), "comm").read_text(encoding="utf-8", errors="replace").strip()
    except (FileNotFoundError, ProcessLookupError):
        return None
