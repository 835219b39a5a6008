# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Moving files with tar over ssh, for hosts without rsync."""

from __future__ import annotations

import contextlib
import io
import os
import selectors
import shlex
import shutil
import subprocess
import tarfile
import threading
import time
from collections.abc import Callable
from typing import IO, Any

from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure

from ...module_utils._core.units import duration
from ...module_utils._pods.ssh_options import environment
from .._common.ssh import MARK, SSH_FAILED, script, unreachable
from .bounds import GROWTH, HANG_UP_SECONDS, STALL_SECONDS, Oversize, Watch, Words
from .foreign import ADVICE, Distrusted, checked_name, printable
from .landing import Landing
from .manifest import TreeError, display_path
from .remote import listed
from .rsync import Cancelled, Job

# Large blocks: the pipe to ssh is the bottleneck, not memory. A pipe takes 64 KiB at a time.
BLOCK, CHUNK = 1 << 20, 64 << 10
# After the last byte the host still has to write what it has in memory.
ENDING_SECONDS = 300.0
# Bytes before our mark, of a name in an archive with its frame, and of what says nothing but a name.
MOST_BANNER, FRAME, MOST_WORDS = 1 << 20, 8 << 10, 64 << 10
_WORDS = (
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
)
ENDED_SECONDS = 5.0
# How a connection ends that breaks or stands still, and how an archive that none is that was packed here: the library
# that reads them raises more than it says.
_UNREADABLE = (tarfile.TarError, EOFError, ValueError, OverflowError, RecursionError)
_PACK = r"""
list=$(mktemp) || exit 4
trap 'rm -f "$list"' EXIT
cat >"$list"
cd -- "$1" || exit 3
xargs -0 -n 500 tar -c -h -f - <"$list"
"""


# Unpacks beside and moves each file into its place when it is whole, as rsync does. Of an archive that was cut off the
# last file may be half of one, which must not take the place of a whole one. $1 directory
_UNPACK_ASIDE = r"""
cd -- "$1" || exit 3
tries=5
until work=$(mkdir -p .podyard-incoming && mktemp -d .podyard-incoming/XXXXXX); do
  # Another push may just have removed the empty directory.
  tries=$((tries - 1)); [ "$tries" -gt 0 ] || exit 3
done
trap 'rm -rf "$work"; rmdir .podyard-incoming 2>/dev/null' EXIT
how=-f code=0
tar -x -o -f - -C "$work" || { code=$? how=-n; }
# find takes one {} only, also where it is meant for another find.
root=$(pwd -P) each='{}'
export how root each
(cd -- "$work" && find . -type d -exec sh -c '
  for folder do
    to=$root/$folder/
    export to
    mkdir -p -- "$to" || exit 1
    (cd -- "$folder" &&
      find . ! -name . -prune ! -type d -exec sh -c "mv $how -- \"\$@\" \"\$to\"" sh "$each" +) || exit 1
  done' sh {} +) || exit 3
exit "$code"
"""


class _Stream(io.RawIOBase):
    """A pipe that counts, brakes and bounds what goes through it; `most` bytes may come out of it."""

    def __init__(self, pipe: IO[bytes] | None, job: Job, check: Callable[[], None], most: int = 0) -> None:
        if pipe is None:
            raise ValueError("the process lacks a pipe")
        self._pipe, self._job, self._check, self._most = pipe, job, check, most
        self._begun, self._count = time.monotonic(), 0
        self._rest = b""
        os.set_blocking(pipe.fileno(), False)

    def _wait(self, event: int, patience: float) -> None:
        """Wait until the other side takes or gives something. Raises _Stalled, and as `_look` does."""
        begun = time.monotonic()
        with selectors.DefaultSelector() as selector:
            selector.register(self._pipe, event)
            # Half a second bounds how late a cancel is noticed.
            while not selector.select(timeout=0.5):
                self._look()
                if time.monotonic() - begun > patience:
                    raise _Stalled(patience)

    def _look(self) -> None:
        """Raise Cancelled when the job is called off, and what the check raises."""
        if self._job.cancel is not None and self._job.cancel.is_set():
            raise Cancelled
        self._check()

    def _passed(self, count: int) -> None:
        self._count += count
        self._job.progress.add(count)
        if self._job.limit > 0:
            ahead = self._count / (self._job.limit * (1 << 20)) - (time.monotonic() - self._begun)
            if ahead > 0:
                time.sleep(ahead)

    def write(self, data: bytes) -> int:  # type: ignore[override]
        left = memoryview(data)
        while left:
            self._look()
            try:
                left = left[os.write(self._pipe.fileno(), left[:CHUNK]) :]
            except BlockingIOError:
                self._wait(selectors.EVENT_WRITE, STALL_SECONDS)
        self._passed(len(data))
        return len(data)

    def read(self, size: int = -1, patience: float = 0.0) -> bytes:
        data, self._rest = self._rest, b""
        while not data:
            self._look()
            try:
                data = os.read(self._pipe.fileno(), size if size > 0 else BLOCK)
                if not data:
                    return data
            except BlockingIOError:
                self._wait(selectors.EVENT_READ, patience or STALL_SECONDS)
        self._passed(len(data))
        if self._most and self._count > self._most:
            raise Oversize(f"transfer ({self._job.progress.label}): more comes", self._job.bytes)
        return data

    def skip_banner(self) -> None:
        """Read up to our mark. Raises tarfile.ReadError when there is none."""
        seen = b""
        while MARK not in seen:
            more = self.read()
            if not more or len(seen) > MOST_BANNER:
                raise tarfile.ReadError("the host answered something else")
            seen += more
        self._rest = seen.partition(MARK)[2]

    def drain(self) -> None:
        """Read what is left, up to its end."""
        while self.read(BLOCK, ENDING_SECONDS):
            continue


class _Stalled(Exception):
    """The other side neither takes nor gives anything."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"nothing moved for {duration(seconds)}")


# By names of their own, since a parameter of the library has the name of its module.
_SPARSE, _ReadError = tarfile.GNUTYPE_SPARSE, tarfile.ReadError


class _Member(tarfile.TarInfo):
    """A member of an archive that somebody else packed: no word of it may be so long that it fills the memory."""

    def _proc_member(self, tarfile: Any) -> Any:
        words = self.type in _WORDS
        if (words and self.size > MOST_WORDS) or self.type == _SPARSE:
            raise _ReadError("the archive holds what none holds that was packed here")
        member: Any = super()._proc_member(tarfile)  # type: ignore[misc]
        if any(name.startswith("GNU.sparse") for name in member.pax_headers):
            raise _ReadError("the archive holds a sparse file, which none holds that was packed here")
        return member


def push(job: Job) -> dict[str, int]:
    """Send files and links to the host; return their bytes by path.

    Raises AnsibleConnectionFailure, AnsibleActionFail, TreeError.
    """
    remote = f"printf '%s\\n' {MARK.decode().strip()}; exec tar -x -o -f - -C {shlex.quote(job.remote)}"
    if job.shared:
        remote = script(_UNPACK_ASIDE, job.remote)
    moved: dict[str, int] = {}

    def work(process: subprocess.Popen[bytes], check: Callable[[], None]) -> None:
        target = _Stream(process.stdin, job, check)
        with tarfile.open(
            fileobj=target, mode="w|", bufsize=BLOCK,
            format=tarfile.GNU_FORMAT, encoding="utf-8", errors="surrogateescape",
        ) as archive:  # fmt: skip
            for path in job.paths:
                moved[path] = _add(archive, job, path)
        _close(process.stdin)
        # Nothing but a banner comes back, but the sender must not be cut off.
        _Stream(process.stdout, job, check, MOST_BANNER).drain()

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
            raise TreeError(
                f"{display_path(str(source))} changed or became unreadable while it was sent: {error}."
            ) from error
    return member.size


def pull(job: Job) -> dict[str, int]:
    """Fetch files from the host; return their bytes by path.

    Raises AnsibleConnectionFailure, AnsibleActionFail, TreeError.
    """
    moved: dict[str, int] = {}
    # Each name stands in a frame of its own, and at the end of an archive are some kilobytes of zeros.
    most = job.bytes + (len(job.paths) + 2) * FRAME + MOST_BANNER + GROWTH

    def work(process: subprocess.Popen[bytes], check: Callable[[], None]) -> None:
        # Beside the reader, since a host that does not listen must not hold it.
        feeding = threading.Thread(target=_feed, args=(process.stdin, listed(job.paths)), daemon=True)
        feeding.start()
        source = _Stream(process.stdout, job, check, most)
        source.skip_banner()
        # Several archives, one after the other, since the list may be longer than a command line.
        with tarfile.open(
            fileobj=source, mode="r|", bufsize=BLOCK, tarinfo=_Member,
            ignore_zeros=True, encoding="utf-8", errors="surrogateescape",
        ) as archive, Landing(job.local, private=True) as landing:  # fmt: skip
            for member in archive:
                # What the library remembers of each is not needed.
                archive.members = []  # type: ignore[attr-defined]
                _take(archive, member, job, landing, moved)
        source.drain()

    _with_ssh(job, script(_PACK, job.remote), work)
    return moved


def _take(archive: tarfile.TarFile, member: tarfile.TarInfo, job: Job, landing: Landing, moved: dict[str, int]) -> None:
    """Put one file of the archive into its place; the host decides neither what is written nor where."""
    if not member.isreg():
        return
    path = checked_name(member.name.removeprefix("./"))
    if path not in job.sizes:
        return
    if path in moved:
        raise Distrusted(f"The pod sends '{printable(path)}' twice. {ADVICE}")
    if member.size > job.sizes[path] + GROWTH:
        raise Oversize(f"transfer ({job.progress.label}): '{printable(path)}' is larger", job.sizes[path])
    source = archive.extractfile(member)
    if source is None:
        return
    with landing.new_file(path) as descriptor:
        with os.fdopen(descriptor, "wb", closefd=False) as stream:
            shutil.copyfileobj(source, stream, BLOCK)
        os.fchmod(descriptor, (member.mode & 0o755) | 0o600)
        # A time that none can be is none.
        with contextlib.suppress(ValueError, OverflowError, OSError):
            os.utime(descriptor, (member.mtime, member.mtime))
    moved[path] = member.size


def _feed(pipe: IO[bytes] | None, data: bytes) -> None:
    """Write all of it; a host that hangs up says itself why."""
    left = memoryview(data)
    with contextlib.suppress(OSError, ValueError):
        while pipe is not None and left:
            left = left[pipe.write(left) :]
    _close(pipe)


def _close(pipe: IO[bytes] | None) -> None:
    with contextlib.suppress(OSError):
        if pipe is not None:
            pipe.close()


def _with_ssh(job: Job, remote: str, work: Callable[[subprocess.Popen[bytes], Callable[[], None]], None]) -> None:
    """Run `remote` on the host and `work` with its pipes; raise what went wrong in the words of the one that knows."""
    bounds = Watch(f"transfer ({job.progress.label})", job.bytes, job.limit, len(job.paths))
    broken: Exception | None = None
    pipe = subprocess.PIPE
    command = job.host.command(remote, bulk=job.bulk)
    with (
        subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, bufsize=0, env=environment()) as process,
        Words(process.stderr) as words,
    ):
        try:
            work(process, lambda: bounds.check(words))
            _ended(process, HANG_UP_SECONDS)
        except (BrokenPipeError, _Stalled, *_UNREADABLE) as error:
            broken = error
            _hang_up(process)
        except BaseException:
            process.kill()
            _hang_up(process)
            raise
    bounds.judge(words)
    _judge(job, process.returncode, words.text, broken)


def _hang_up(process: subprocess.Popen[bytes]) -> None:
    """Close our ends of the pipes, whatever is left in them, and end what does not end then."""
    for pipe in (process.stdin, process.stdout):
        _close(pipe)
    try:
        _ended(process, ENDED_SECONDS)
    except _Stalled:
        process.kill()


def _ended(process: subprocess.Popen[bytes], seconds: float) -> None:
    """Wait for the end of a process. Raises _Stalled."""
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        raise _Stalled(seconds) from None


def _judge(job: Job, code: int, words: str, broken: Exception | None) -> None:
    stage = f"transfer ({job.progress.label})"
    if code == SSH_FAILED:
        raise unreachable(stage, job.host, words)
    if isinstance(broken, _Stalled):
        raise unreachable(stage, job.host, f"{words}\n{broken}")
    if code < 0 and not isinstance(broken, _UNREADABLE):
        raise AnsibleConnectionFailure(f"{stage}: ssh was ended by signal {-code}.")
    # tar ends with 1, and xargs with 123, when a file changed or vanished while it was read; the verification says
    # which.
    if code not in (0, 1, 123) or broken is not None:
        lines = [line for line in words.splitlines() if line.strip()]
        why = [*lines[-3:], f"({printable(str(broken))})"] if broken else lines[-3:]
        raise AnsibleActionFail(f"{stage}: tar failed on the host: {' '.join(why)}")
