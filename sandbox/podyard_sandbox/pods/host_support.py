# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether this machine can run pods at all, checked before the first one starts."""

from __future__ import annotations

import asyncio
import os
import pwd
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from .container import BARE_ENVIRONMENT, NAMESPACES, privileges, system_folders
from .spec import PodError

# Programs that pods require, and the Debian package of each.
_NEEDED = {
    "awk": "mawk",
    "bash": "bash",
    "bwrap": "bubblewrap",
    "ps": "procps",
    "python3": "python3",
    "rsync": "rsync",
    "sshd": "openssh-server",
    "ssh": "openssh-client",
}
# Pods see the machine's /usr, but not its /usr/local.
_SYSTEM_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
# Since this version, sshd blocks addresses after failed logins, and all clients here share one address.
_PENALTIES_SINCE = (9, 8)


@dataclass(frozen=True)
class HostSupport:
    """What this machine supports: ``penalties`` says whether its sshd has PerSourcePenalties to switch off."""

    penalties: bool


async def check_host() -> HostSupport:
    """Look for the required programs and try to set up empty namespaces.

    Raises PodError with one sentence that says what is missing and how to install it.
    """
    missing = {name: package for name, package in _NEEDED.items() if shutil.which(name, path=_SYSTEM_PATH) is None}
    if not any(Path("/usr/lib").glob("python3*/ensurepip")):
        missing["python3 -m venv"] = "python3-venv"
    if missing:
        packages = " ".join(sorted(set(missing.values())))
        raise PodError(
            f"pods need {', '.join(missing)} below /usr of this machine (Debian: apt-get install {packages})"
        )
    code, said = await _run(
        "bwrap", *NAMESPACES, *privileges(), *system_folders(), "--proc", "/proc", "--dev", "/dev", "/usr/bin/true"
    )
    if code != 0:
        raise PodError(_cannot(said))
    _code, version = await _run("ssh", "-V")
    found = re.search(r"OpenSSH_(\d+)\.(\d+)", version)
    return HostSupport(penalties=found is not None and (int(found[1]), int(found[2])) >= _PENALTIES_SINCE)


def _cannot(said: str) -> str:
    words = " ".join(said.split()) or "bwrap said nothing"
    if os.geteuid() == 0:
        return (
            f"this kernel does not let root make the namespaces that pods live in ({words}): inside a container, "
            "that container must be allowed to (docker run --privileged)"
        )
    return (
        f"this kernel does not let the user {_user()} make the namespaces that pods live in ({words}): run the "
        "sandbox as root, or have an administrator allow it (sysctl -w kernel.unprivileged_userns_clone=1 "
        "user.max_user_namespaces=10000, on Ubuntu also kernel.apparmor_restrict_unprivileged_userns=0)"
    )


def _user() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return f"with the number {os.geteuid()}"


async def _run(*words: str) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        *words,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=BARE_ENVIRONMENT,
        cwd="/",
    )
    said, _nothing = await process.communicate()
    return process.returncode or 0, said.decode("utf-8", "replace")
