# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Moving files with tar over ssh, for hosts without rsync. Private to this collection."""

from __future__ import annotations

import contextlib
import io
import os
import shlex
import shutil
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure

from ansible_collections.podyard.gpu.plugins.module_utils._ssh_options import environment
from ansible_collections.podyard.gpu.plugins.plugin_utils._manifest import TreeError, shown
from ansible_collections.podyard.gpu.plugins.plugin_utils._ssh import MARK, SSH_FAILED, script, unreachable
from ansible_collections.podyard.gpu.plugins.plugin_utils._transfer_remote import listed
from ansible_collections.podyard.gpu.plugins.plugin_utils._transfer_rsync import Cancelled, Job

# Large blocks: the pipe to ssh is the bottleneck, not memory.
BLOCK = 1 << 20
_PACK = r"""
list=$(mktemp) || exit 4
trap 'rm -f "$list"' EXIT
cat >"$list"
cd -- "$1" || exit 3
xargs -0 -n 500 tar -c -h -f - <"$list"
"""


class _Stream(io.RawIOBase):
    """A pipe that counts and brakes what goes through it."""

    def __init__(self, pipe: IO[bytes], job: Job) -> None:
        self._pipe, self._job = pipe, job
        self._begun, self._count = time.monotonic(), 0

    def _passed(self, count: int) -> None:
        if self._job.cancel is not None and self._job.cancel.is_set():
            raise Cancelled
        self._count += count
        self._job.progress.add(count)
        if self._job.limit > 0:
            ahead = self._count / (self._job.limit * (1 << 20)) - (time.monotonic() - self._begun)
            if ahead > 0:
                time.sleep(ahead)

    def write(self, data: bytes) -> int:  # type: ignore[override]
        self._pipe.write(data)
        self._passed(len(data))
        return len(data)

    def read(self, size: int = -1) -> bytes:
        data = self._pipe.read(size)
        self._passed(len(data))
        return data


def push(job: Job) -> dict[str, int]:
    """Send files and links to the host; return their bytes by path.

    Raises AnsibleConnectionFailure, AnsibleActionFail, TreeError.
    """
    remote = f"printf '%s\\n' {MARK.decode().strip()}; exec tar -x -o -f - -C {shlex.quote(job.remote)}"
    moved: dict[str, int] = {}

    def work(process: subprocess.Popen[bytes]) -> None:
        if process.stdin is None:
            raise ValueError("the process has no standard input")
        with tarfile.open(
            fileobj=_Stream(process.stdin, job), mode="w|", bufsize=BLOCK,
            format=tarfile.GNU_FORMAT, encoding="utf-8", errors="surrogateescape",
        ) as archive:  # fmt: skip
            for path in job.paths:
                moved[path] = _add(archive, job, path)
        process.stdin.close()
        # Nothing but a banner comes back, but nobody may hang up on the one who sends it.
        _drain(process.stdout)

    _with_ssh(job, remote, work)
    return moved


def _add(archive: tarfile.TarFile, job: Job, path: str) -> int:
    """Put one file (or link, as such) into the archive; return its size."""
    source = job.local / path
    status = source.lstat() if job.links_only else source.stat()
    member = tarfile.TarInfo(f"./{path}")
    member.mtime, member.mode = int(status.st_mtime), status.st_mode & 0o777
    if job.links_only:
        member.type, member.linkname = tarfile.SYMTYPE, os.readlink(source)
        archive.addfile(member)
        return 0
    member.size = status.st_size
    with source.open("rb", buffering=0) as stream:
        try:
            archive.addfile(member, stream)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise TreeError(f"{shown(str(source))} changed or became unreadable while it was sent: {error}.") from error
    return member.size


def pull(job: Job) -> dict[str, int]:
    """Fetch files from the host; return their bytes by path. Raises AnsibleConnectionFailure, AnsibleActionFail."""
    moved: dict[str, int] = {}
    wanted = set(job.paths)

    def work(process: subprocess.Popen[bytes]) -> None:
        if process.stdin is None or process.stdout is None:
            raise ValueError("the process lacks a pipe")
        process.stdin.write(listed(job.paths))
        process.stdin.close()
        _skip_banner(process.stdout)
        # Several archives, one after the other, since the list may be longer than a command line.
        with tarfile.open(
            fileobj=_Stream(process.stdout, job), mode="r|", bufsize=BLOCK,
            ignore_zeros=True, encoding="utf-8", errors="surrogateescape",
        ) as archive:  # fmt: skip
            for member in archive:
                path = member.name.removeprefix("./")
                # The host decides neither what is written here nor where.
                if member.isreg() and path in wanted:
                    moved[path] = _extract(archive, member, job.local / path)
        _drain(process.stdout)

    _with_ssh(job, script(_PACK, job.remote), work)
    return moved


def _drain(stream: IO[bytes] | None) -> None:
    """Read what is left, up to its end."""
    while stream is not None and stream.read(BLOCK):
        continue


def _skip_banner(stream: IO[bytes]) -> None:
    """Read up to our mark."""
    for line in iter(stream.readline, b""):
        if line.endswith(MARK):
            return


def _extract(archive: tarfile.TarFile, member: tarfile.TarInfo, target: Path) -> int:
    source = archive.extractfile(member)
    target.parent.mkdir(parents=True, exist_ok=True)
    if source is not None:
        with target.open("wb") as stream:
            shutil.copyfileobj(source, stream, BLOCK)
        target.chmod(member.mode & 0o777)
        os.utime(target, (member.mtime, member.mtime))
    return member.size


def _with_ssh(job: Job, remote: str, work: Callable[[subprocess.Popen[bytes]], None]) -> None:
    """Run `remote` on the host and `work` with its pipes; raise what went wrong in the words of the one that knows."""
    with tempfile.TemporaryFile() as errors:
        broken: Exception | None = None
        with subprocess.Popen(
            job.host.command(remote, bulk=job.bulk),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=environment(),
        ) as process:
            try:
                work(process)
            except (BrokenPipeError, tarfile.TarError) as error:
                broken = error
                _hang_up(process)
            except BaseException:
                process.terminate()
                _hang_up(process)
                raise
        errors.seek(0)
        _judge(job, process.returncode, errors.read().decode(errors="replace"), broken)


def _hang_up(process: subprocess.Popen[bytes]) -> None:
    """Close our ends of the pipes, whatever is left in them."""
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()


def _judge(job: Job, code: int, words: str, broken: Exception | None) -> None:
    stage = f"transfer ({job.progress.label})"
    if code == SSH_FAILED:
        raise unreachable(stage, job.host, words)
    if code < 0:
        raise AnsibleConnectionFailure(f"{stage}: ssh was ended by signal {-code}.")
    # tar ends with 1, and xargs with 123, when a file changed or vanished while it was read; the verification says
    # which.
    if code not in (0, 1, 123) or broken is not None:
        lines = [line for line in words.splitlines() if line.strip()]
        raise AnsibleActionFail(f"{stage}: tar failed on the host: {' '.join(lines[-3:]) or broken}")
