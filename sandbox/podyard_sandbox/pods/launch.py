# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A container as Vast.ai launches it: with the platform's start script, and keys that are managed from outside.

What the platform tells the container is in a directory of the host that the pod sees read-only as /run/vast, so that
the host never writes where the pod could have planted a link. The start script reads keys from there, and so does sshd
for connections that come through the gateway.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

PLACE = "/run/vast"
SCRIPT = f"{PLACE}/launch.sh"
# The service's banner at each login; clients print it on stderr.
_BANNER = (
    "Welcome to vast.ai. If authentication fails, try again after a few seconds, and double check your ssh key.\n"
    "Have fun!\n"
)
BASHRC = """\
# ~/.bashrc: executed by bash(1) for non-login shells.

# If not running interactively, don't do anything
[ -z "$PS1" ] && return

PS1='\\u@\\h:\\w\\$ '
# A login by SSH lands in tmux, so that what is started survives the connection; touch ~/.no_auto_tmux ends that.
if [ -z "$TMUX" ] && [ -n "$SSH_TTY" ] && [ ! -e ~/.no_auto_tmux ] && command -v tmux >/dev/null; then
  tmux new-session -A -s ssh_tmux && exit
fi
"""
# An SSH session gets its environment only from /etc/environment. Only keys decide who may log in.
PAM = """\
auth     required  pam_permit.so
account  required  pam_permit.so
session  required  pam_permit.so
session  optional  pam_env.so conffile=/dev/null readenv=1 user_readenv=0
"""


@dataclass(frozen=True)
class Launch:
    """How a Vast.ai container starts.

    `script`: the platform's start script with an SSH server replaces the image's command; else the image or `args`
    runs as it is. `onstart` is run at every start, `keys` are the public keys that may log in from the start on, and
    `spoiled` says that the key file ends up with a mode for which sshd refuses it.
    """

    script: bool = True
    onstart: str = field(default="", repr=False)
    keys: tuple[str, ...] = ()
    spoiled: bool = False


def prepare(folder: Path, launch: Launch, script: str, *, ports: tuple[int, int], penalties: bool) -> None:
    """Write what the platform tells a container that is about to start. This blocks.

    Args:
        script: the start script that runs in the container.
        ports: where its sshd listens for direct connections, and for those through the gateway.
    """
    folder.mkdir(mode=0o755, parents=True, exist_ok=True)
    folder.chmod(0o755)
    _put(folder, "launch.sh", script, 0o755)
    _put(folder, "onstart.sh", launch.onstart)
    _put(folder, "banner", _BANNER)
    _put(folder, "sshd_config", _sshd_config(*ports, penalties))
    (folder / "spoiled").unlink(missing_ok=True)
    if launch.spoiled:
        _put(folder, "spoiled", "")
    set_keys(folder, launch.keys)


def set_keys(folder: Path, keys: tuple[str, ...], *, rewrite: bool = False) -> None:
    """Set the keys that may log in: the pod's own script copies them into its file, the gateway reads them here.

    Args:
        rewrite: whether to overwrite the pod's key file, which drops all other keys in it.
    """
    text = "".join(f"{key}\n" for key in keys)
    _put(folder, "rewrite", "1" if rewrite else "")
    _put(folder, "keys", text)


def environment(ports: dict[str, int]) -> dict[str, str]:
    """Return VAST_TCP_PORT_<port> for every mapped port, as the container sees them."""
    return {f"VAST_TCP_PORT_{entry.split('/')[0]}": str(port) for entry, port in ports.items()}


def _put(folder: Path, name: str, text: str, mode: int = 0o644) -> None:
    draft = folder / f".{name}"
    draft.write_text(text, encoding="utf-8")
    draft.chmod(mode)
    os.replace(draft, folder / name)


def _sshd_config(direct: int, gateway: int, penalties: bool) -> str:
    lines = [
        f"Port {direct}",
        f"Port {gateway}",
        "ListenAddress 127.0.0.1",
        "HostKey /etc/ssh/ssh_host_ed25519_key",
        "HostKey /etc/ssh/ssh_host_ecdsa_key",
        "HostKey /etc/ssh/ssh_host_rsa_key",
        f"Banner {PLACE}/banner",
        "PermitRootLogin prohibit-password",
        "PasswordAuthentication no",
        "KbdInteractiveAuthentication no",
        "UsePAM yes",
        "UseDNS no",
        "PrintMotd no",
        "PidFile /run/sshd.pid",
        # Many short connections at once are normal here.
        "MaxStartups 200",
        "MaxSessions 100",
        "AcceptEnv LANG LC_*",
        "Subsystem sftp internal-sftp",
        *(["PerSourcePenalties no"] if penalties else []),
        # The gateway accepts the registered keys of account and instance, whatever the pod's own file contains.
        f"Match LocalPort {gateway}",
        f"    AuthorizedKeysFile {PLACE}/keys",
    ]
    return "".join(f"{line}\n" for line in lines)
