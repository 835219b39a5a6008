# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask a pod over SSH while it comes up, and decide whether it is our pod that answers.

Host keys are learned over the provider's authenticated channel.
"""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable

from .._core import errors
from .._core.clock import Clock
from .._core.errors import BadRequest, CloudError
from .._core.files import replace_file
from .._core.pod import Endpoint, Pod
from .._core.public_keys import fingerprint, identity
from .._providers.base import Provider
from . import ssh, ssh_options
from .lease import said
from .progress import Progress

STRICT = "strict"
ACCEPT_NEW = "accept-new"
#: Seconds that ssh-keyscan waits for each answer; the banner was read already, so this is round trips only.
SCAN_TIMEOUT = 5
#: ``256 SHA256:abc… root@pod (ED25519)``: the form of ``ssh-keygen -lf``. sshd's own log names login keys in another
#: form.
_PRINTED = re.compile(r"\b\d{3,5} (SHA256:[A-Za-z0-9+/]{43})=? .*\((?:RSA|DSA|ECDSA|ED25519)[^)]*\)")

Run = Callable[[Sequence[str]], "tuple[int, str, str]"]


@dataclass(frozen=True)
class HostKey:
    """A key as the address offered it: its ``known_hosts`` line and its fingerprint (``SHA256:…``)."""

    line: str
    fingerprint: str


def printed(log: Iterable[str]) -> set[str]:
    """Return the fingerprints that the container printed into its log."""
    return {match[1] for line in log for match in _PRINTED.finditer(line)}


def scan(run: Run, endpoint: Endpoint) -> list[HostKey]:
    """Return the keys that the address offers now; empty when it offers none."""
    _status, out, _err = run(["ssh-keyscan", "-T", str(SCAN_TIMEOUT), "-p", str(endpoint.port), endpoint.host])
    keys = []
    for line in out.splitlines():
        parts = line.split()
        if len(parts) < 3 or line.startswith("#"):
            continue
        found = fingerprint(parts[2])
        if found is not None:
            keys.append(HostKey(" ".join(parts[:3]), found))
    return keys


@dataclass(frozen=True)
class Verdict:
    """The result of comparing host keys.

    ``mode`` is STRICT or ACCEPT_NEW, None when the address must not be trusted (yet); then ``problem`` says why.
    ``lines`` belong into known_hosts.
    """

    mode: str | None
    lines: tuple[str, ...] = ()
    problem: str = ""


def judge(offered: Sequence[HostKey], known: set[str]) -> Verdict:
    """Compare what the address offers with what the pod printed.

    Nothing printed: the image does not say, so the first key seen is taken. Printed but not offered: a stranger,
    refused.
    """
    if not offered:
        return Verdict(None, problem="the address offered no host key")
    if not known:
        return Verdict(ACCEPT_NEW)
    lines = tuple(key.line for key in offered if key.fingerprint in known)
    if lines:
        return Verdict(STRICT, lines)
    shown = ", ".join(key.fingerprint for key in offered)
    return Verdict(
        None,
        problem=(
            f"the host keys offered there ({shown}) are not those that the pod printed into its log: "
            "another machine answers"
        ),
    )


def write_known_hosts(path: str, lines: Iterable[str]) -> None:
    """Replace the file at once, readable for its owner only.

    :raises CloudError: when it cannot be written.
    """
    directory = os.path.dirname(os.path.abspath(path))
    try:
        os.makedirs(directory, mode=0o700, exist_ok=True)
        replace_file(Path(path), "".join(f"{line}\n" for line in lines))
    except OSError as error:
        raise CloudError(f"The known_hosts file {path} cannot be written: {error.strerror}.") from error


def merge_known_hosts(path: str, others: Iterable[str]) -> None:
    """Take the new lines of other known_hosts files into this one, in the place of what it says of their addresses.

    :raises CloudError: when it cannot be written.
    """
    known = _lines(path)
    kept = {_addressed(line): line for line in known}
    for other in others:
        found = [line for line in _lines(other) if line not in known]
        addresses = {line.split()[0] for line in found}
        kept = {key: line for key, line in kept.items() if key[0] not in addresses}
        kept.update({_addressed(line): line for line in found})
    write_known_hosts(path, kept.values())


def _addressed(line: str) -> tuple[str, str]:
    """Address and the rest: what a line is known by."""
    address, _dummy, rest = line.partition(" ")
    return address, rest


def _lines(path: str) -> list[str]:
    """Return the lines of a known_hosts file; none when there is none."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return [line.strip() for line in file if line.strip() and not line.startswith("#")]
    except OSError:
        return []


#: Seconds between two looks into the log for the host keys: the log may trail the container by a moment.
LOG_LAG = 2.0


@dataclass
class HostKeyTrust:
    """The host keys of a pod's address, learned once.

    :param keep: leave what is known of the address already; a container that was just made has new keys by right.
    """

    provider: Provider
    run: ssh.Run
    known_hosts: str
    clock: Clock
    progress: Progress
    keep: bool
    _learned: tuple[Endpoint, str] | None = field(default=None, init=False)

    @property
    def mode(self) -> str | None:
        """How strictly the last address is checked; None before there was one."""
        return self._learned[1] if self._learned is not None else None

    def verify(self, pod: Pod, endpoint: Endpoint) -> ssh.Verdict | str:
        """Verify the host keys of this address once; a text says why it must not be trusted (yet)."""
        if self._learned is not None and self._learned[0] == endpoint:
            return ssh.Verdict(self._learned[1])
        offered = ssh.scan(self.run, endpoint)
        verdict = ssh.judge(offered, self._printed(pod))
        if offered and verdict.mode != ssh.STRICT and self.provider.capabilities.prints_host_keys:
            self.clock.sleep(LOG_LAG)
            verdict = ssh.judge(offered, self._printed(pod))
        if verdict.mode is None:
            return verdict.problem
        if verdict.mode == ssh.STRICT or not self.keep:
            # What an earlier container had is forgotten.
            ssh.write_known_hosts(self.known_hosts, verdict.lines)
        self._learned = (endpoint, verdict.mode)
        return verdict

    def _printed(self, pod: Pod) -> set[str]:
        """Return the fingerprints in the pod's log; empty when it cannot be read, which a line of progress says."""
        if not (self.provider.capabilities.logs and self.provider.capabilities.prints_host_keys):
            return set()
        try:
            return ssh.printed(self.provider.logs(pod.id, deadline=5.0))
        except errors.CloudError as error:
            self.progress.say(f"The host keys of {pod.label()} cannot be checked against its log: {error.message}")
            return set()


#: Seconds for a connection and the first bytes: an answer from the other side of the world takes one, a loaded host a
#: few.
BANNER_TIMEOUT = 5.0
#: Seconds that ssh may take for connection, banner and key exchange together; slow hosts need several.
LOGIN_TIMEOUT = 15
#: Exit status by which ssh says that it failed itself.
SSH_FAILED = 255
#: Prints the version of a Python that Ansible can use: 3.8 is the oldest.
_VERSION = 'import sys; sys.version_info >= (3, 8) and print(".".join(map(str, sys.version_info[:3])))'
#: Everything in one round trip. Markers, for shell start-up files print banners. The interpreters are those of
#: official images, plain Debian and Ubuntu, and conda.
PROBE = (
    "echo podyard:begin; "
    "for p in python3 /usr/local/bin/python3 /usr/bin/python3 /opt/conda/bin/python3 python; do "
    'p=$(command -v "$p" 2>/dev/null) || continue; '
    f"v=$(\"$p\" -c '{_VERSION}' 2>/dev/null); "
    'if [ -n "$v" ]; then echo "podyard:python=$v $p"; break; fi; done; '
    "echo podyard:end"
)
_REFUSED = re.compile(r"Permission denied|Too many authentication failures|[Ll]og ?in as the user", re.ASCII)
_PYTHON = re.compile(r"^podyard:python=(\S+) (/.*?)\s*$", re.MULTILINE)


@dataclass(frozen=True)
class Probe:
    """What one command on the pod said.

    ``logged_in``: a command ran, which is the only proof. ``answered``: its output came back whole. ``python`` and its
    version: None when the pod has none that Ansible can use. ``problem``: ssh's own words, else empty. ``mute``: the
    key is accepted, and no command runs: the shell only says to go away. ``lease``: what became of the pod's lease, see
    ``lease.said``.
    """

    logged_in: bool
    answered: bool
    python: str | None = None
    python_version: str | None = None
    problem: str = ""
    mute: bool = False
    lease: str | None = None


def read_banner(endpoint: Endpoint, timeout: float = BANNER_TIMEOUT) -> tuple[bool, str]:
    """Connect and read the first bytes: (True, banner) when an SSH server answers, else (False, why not)."""
    try:
        with socket.create_connection((endpoint.host, endpoint.port), timeout=timeout) as connection:
            connection.settimeout(timeout)
            data = connection.recv(255)
    except socket.timeout:
        return False, "no SSH banner within the time-out"
    except OSError as error:
        return False, error.strerror or str(error)
    banner = data.decode("ascii", errors="replace").splitlines()[0] if data else ""
    if banner.startswith("SSH-"):
        return True, banner
    return (
        False,
        f"what answers is not an SSH server ({banner[:40]!r})"
        if banner
        else "the connection was closed without an SSH banner",
    )


def command(endpoint: Endpoint, known_hosts: str, mode: str, key: str | None, remote: str) -> list[str]:
    """Return the ssh command for one remote command.

    It asks no questions, shares no connection, and reads no other known_hosts than the run's own.
    """
    target = ssh_options.Target(endpoint.host, endpoint.port, endpoint.user, known_hosts, key, mode == STRICT)
    return ssh_options.command(target, remote, level="ERROR", connect=LOGIN_TIMEOUT)


def probe(run: Run, argv: Sequence[str]) -> Probe:
    """Run PROBE through ``argv`` (see ``command``) and read its answer."""
    status, out, err = run(argv)
    begun = "podyard:begin" in out
    if not begun and status == SSH_FAILED:
        lines = [line for line in err.splitlines() if line.strip()]
        return Probe(False, False, problem=lines[-1].strip() if lines else "ssh ended without a word")
    if "podyard:end" not in out:
        words = (err or out).strip().splitlines()
        problem = f"the first command failed with {status}: {words[-1] if words else 'no output'}"
        return Probe(begun, False, problem=problem, mute=not begun)
    found = _PYTHON.search(out)
    python, version = (found[2], found[1]) if found else (None, None)
    return Probe(True, True, python=python, python_version=version, lease=said(out))


def is_refused(found: Probe) -> bool:
    """Return whether this user may not log in, while another one may.

    The key is refused, no command runs, or an image's own answer to root names the user to take.
    """
    return found.mute or (not found.answered and _REFUSED.search(found.problem) is not None)


def log_in(
    run: Run, endpoints: Sequence[Endpoint], known_hosts: str, mode: str, key: str | None, also: str = ""
) -> tuple[Probe, Endpoint]:
    """Try to log in at the same address as one user after the other, until one is let in.

    :param also: shell text that is run in the same session.
    :returns: what the last try brought, and where.
    """
    refused = []
    for endpoint in endpoints:
        found = probe(run, command(endpoint, known_hosts, mode, key, f"{PROBE}; {also}" if also else PROBE))
        if not is_refused(found):
            return found, endpoint
        refused.append((endpoint.user, found.problem))
    words = "; ".join(f"as {user}: {problem}" for user, problem in refused) if len(refused) > 1 else refused[0][1]
    return Probe(False, False, problem=words), endpoints[0]


def check_key(run: Run, path: str, public_keys: Sequence[str]) -> None:
    """Refuse, before anything is rented, a private key that could not open the pod.

    Compared are key type and blob; the comment does not count. A key with a passphrase cannot be read here, and
    serves when an agent holds it.

    :raises BadRequest: when ssh would refuse to use the file, or when its public half is not among ``public_keys``.
    """
    problem, public = _opened(run, path)
    if problem:
        raise BadRequest(f"{problem} Nothing was rented.")
    if public is None:
        return
    if identity(public) not in map(identity, public_keys):
        raise BadRequest(
            f"The private key {path} opens none of the public keys that the pod would get, so nothing was rented: "
            f"add the content of {path}.pub to public_keys."
        )


def held_by_agent(run: Run, path: str) -> bool:
    """Whether an agent holds this key: by its fingerprint, which such a key says itself, or ``.pub`` beside it."""
    status, out, _err = run(["ssh-keygen", "-l", "-E", "sha256", "-f", path])
    ours = out.split()[1:2]
    if status != 0 or not ours:
        return False
    status, out, _err = run(["ssh-add", "-l", "-E", "sha256"])
    return status == 0 and ours in [line.split()[1:2] for line in out.splitlines()]


def key_problem(run: Run, path: str) -> str | None:
    """Why ssh could not use a private key, in a sentence or two; None when it could."""
    return _opened(run, path)[0]


def _opened(run: Run, path: str) -> tuple[str | None, str | None]:
    """Return what is wrong with a private key, and its public half, which is not known of one that an agent holds."""
    status, out, err = run(["ssh-keygen", "-y", "-P", "", "-f", path])
    if status == 0:
        return None, out
    if "passphrase" not in err.lower():
        # Without the frame that ssh-keygen draws around a warning.
        lines = [line.strip() for line in err.splitlines() if line.strip("@ \r")]
        words = " ".join(line for line in lines if not line.startswith("@"))
        return f"The private key {path} cannot be used: {words or 'ssh-keygen failed'}", None
    if held_by_agent(run, path):
        return None, None
    return (
        f"The private key {path} has a passphrase, which cannot be asked for while pods come up, and no SSH agent "
        f"holds the key: unlock it with `ssh-add {path}`, or name another key, or none, and the run makes its own."
    ), None
