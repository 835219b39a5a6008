# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The container disk: the pod's own directories, recreated at each start of its container."""

from __future__ import annotations

import os
import secrets
import shutil
from pathlib import Path
from urllib.parse import urlsplit

from . import gpus, images, launch
from .spec import PodSpec

# Directories of the disk, besides /etc, that the pod sees at the same path, and their modes.
FOLDERS = {
    "home": 0o755,
    "media": 0o755,
    "mnt": 0o755,
    "opt": 0o755,
    "root": 0o700,
    "srv": 0o755,
    "tmp": 0o1777,
    "var": 0o755,
    "workspace": 0o755,
}
# Read-only directories of this machine, visible in the pod's own /etc: many files, none of them secret.
SHARED_ETC = ("alternatives", "ssl/certs", "terminfo", "fonts")

# Files of a pod's /etc that come from this machine. None of them identifies the machine or its users.
_COPIED_ETC = (
    "bash.bashrc",
    "ca-certificates.conf",
    "debian_version",
    "gai.conf",
    "host.conf",
    "inputrc",
    "init.d/ssh",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "localtime",
    "login.defs",
    "lsb-release",
    "magic",
    "mime.types",
    "nsswitch.conf",
    "os-release",
    "profile",
    "protocols",
    "python3",
    "python3.*",
    "resolv.conf",
    "services",
    "shells",
    "skel",
    "ssh/moduli",
    "ssh/ssh_config",
    "ssl/openssl.cnf",
    "timezone",
)
_VAR = {
    "cache": 0o755,
    "lib": 0o755,
    "local": 0o755,
    "log": 0o755,
    "mail": 0o755,
    "opt": 0o755,
    "spool": 0o755,
    "tmp": 0o1777,
    "lib/dpkg": 0o755,
    "lib/apt": 0o755,
}
_USR_LOCAL = ("bin", "etc", "include", "lib", "sbin", "share", "src")

# The uid of an image's user who is not root.
_LOGIN_ID = 1000

_BASHRC = """\
# ~/.bashrc: executed by bash(1) for non-login shells.

# If not running interactively, don't do anything
[ -z "$PS1" ] && return

PS1='\\u@\\h:\\w\\$ '
cat /etc/runpod.txt
"""
_PROFILE = """\
# ~/.profile: executed by Bourne-compatible login shells.
if [ "$BASH" ]; then
  if [ -f ~/.bashrc ]; then
    . ~/.bashrc
  fi
fi
"""
_BANNER = """\

  podyard sandbox pod: a real SSH server on this machine, and no GPU behind it.
  Everything outside {mount} is gone when the pod stops.

"""


def build(disk: Path, spec: PodSpec, *, sshd_port: int, penalties: bool) -> None:
    """Create the disk of a container that is about to start. This blocks: call it in a thread.

    `sshd_port` is where the pod's sshd listens; `penalties` says whether this machine's sshd punishes addresses for
    failed logins (OpenSSH 9.8 and later), which must not happen here: all pods and clients share one address.
    """
    for name, mode in FOLDERS.items():
        _folder(disk / name, mode)
    for name, mode in _VAR.items():
        _folder(disk / "var" / name, mode)
    (disk / "var/run").symlink_to("/run")
    (disk / "var/lock").symlink_to("/run/lock")
    for name in _USR_LOCAL:
        _folder(disk / "usr-local" / name, 0o755)
    _etc(disk / "etc", spec)
    _folder(disk / "etc/ssh/sshd_config.d", 0o755)
    _write(disk / "etc/ssh/sshd_config", _sshd_config(penalties, images.PROFILES[spec.profile].login))
    bashrc = _BASHRC if spec.launch is None else launch.BASHRC
    for name, text in ((".bashrc", bashrc), (".profile", _PROFILE)):
        _write(disk / "root" / name, text)
    delay = f"{max(0.0, spec.sshd_delay):g}"
    login = images.PROFILES[spec.profile].login
    start = images.script("start.sh").replace("@SSHD_DELAY@", delay).replace("@LOGIN@", login)
    _write(disk / "start.sh", start, 0o755)
    _write(disk / "gpus", gpus.facts(spec), 0o444)
    _write(disk / "nothing", "", 0o444)
    _write(disk / "sshd-port", f"{sshd_port}\n", 0o444)


def remove(path: Path) -> None:
    """Delete a tree, whatever modes a pod gave its directories, if it exists. This blocks."""
    if not path.is_symlink() and path.is_dir():
        path.chmod(0o700)
        for folder, names, _files in os.walk(path):
            for name in names:
                if not os.path.islink(os.path.join(folder, name)):
                    os.chmod(os.path.join(folder, name), 0o700)
        shutil.rmtree(path)


def _folder(path: Path, mode: int) -> None:
    path.mkdir(parents=True, exist_ok=True)
    path.chmod(mode)


def _write(path: Path, text: str, mode: int = 0o644) -> None:
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)


def _etc(etc: Path, spec: PodSpec) -> None:
    for name in ("", "ssh", "ssl", "init.d", "default", "profile.d", "apt", *SHARED_ETC):
        _folder(etc / name, 0o755)
    for pattern in _COPIED_ETC:
        for source in Path("/etc").glob(pattern):
            target = etc / source.relative_to("/etc")
            if source.is_dir():
                shutil.copytree(source, target, symlinks=True)
            elif source.is_file():
                # A link out of /etc (resolv.conf into /run, say) would dangle in the pod.
                shutil.copy2(source, target, follow_symlinks=not _inside_usr(source))
    _accounts(etc, spec)
    _own_service(etc / "init.d/ssh")
    _write(etc / "hostname", f"{spec.hostname}\n")
    hosts = ("127.0.0.1\tlocalhost", "::1\tlocalhost ip6-localhost ip6-loopback", f"127.0.0.1\t{spec.hostname}")
    _write(etc / "hosts", "".join(f"{line}\n" for line in hosts))
    _write(etc / "machine-id", f"{secrets.token_hex(16)}\n")
    _write(etc / "environment", f'PATH="{images.PATH}"\n')
    if spec.launch is None:
        _write(etc / "runpod.txt", _BANNER.format(mount=spec.mount_path or "nothing"))
    else:
        _folder(etc / "pam.d", 0o755)
        _write(etc / "pam.d/sshd", launch.PAM)
    (etc / "mtab").symlink_to("/proc/mounts")
    if spec.find_links is not None:
        _write(etc / "pip.conf", _pip_conf(spec.find_links))


def _own_service(script: Path) -> None:
    """Adapt the init script of sshd.

    It starts sshd by name, since the file at that path is a wrapper, and for a normal user without changing to uid 0,
    which does not exist in that user's pods.
    """
    if script.is_file():
        text = script.read_text(encoding="utf-8").replace("--exec /usr/sbin/sshd -- ", "--startas /usr/sbin/sshd -- ")
        text = text.replace("--exec /usr/sbin/sshd", "")
        text = text.replace("--pidfile /run/sshd.pid", "--pidfile /run/sshd.pid --name sshd")
        _write(script, text if os.geteuid() == 0 else text.replace("--chuid 0:0", ""), 0o755)


def _inside_usr(path: Path) -> bool:
    return path.is_symlink() and path.resolve().is_relative_to("/usr")


def _accounts(etc: Path, spec: PodSpec) -> None:
    """Write the pod's users and groups.

    If a normal user runs the sandbox, all files and processes of the pod are that user's, so the pod's `root` has that
    uid. There is no group `tty` then, since no one could hand a terminal to it.
    """
    uid, gid = os.geteuid(), os.getegid()
    users = [f"root:x:{uid}:{gid}:root:/root:/bin/bash"]
    groups = [f"root:x:{gid}:"]
    if uid == 0:
        groups += ["daemon:x:1:", "adm:x:4:", "tty:x:5:", "staff:x:50:", "utmp:x:43:", "users:x:100:"]
        users += [
            "daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin",
            "_apt:x:100:65534::/nonexistent:/usr/sbin/nologin",
            "sshd:x:102:65534::/run/sshd:/usr/sbin/nologin",
        ]
    login = images.PROFILES[spec.profile].login
    if login != "root":
        number = f"{uid or _LOGIN_ID}:{gid or _LOGIN_ID}"
        users.append(f"{login}:x:{number}:{login}:/home/{login}:/bin/bash")
    users.append("nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin")
    groups.append("nogroup:x:65534:")
    if login != "root" and uid == 0:
        groups.append(f"{login}:x:{_LOGIN_ID}:")
    _write(etc / "passwd", "".join(f"{line}\n" for line in users))
    _write(etc / "group", "".join(f"{line}\n" for line in groups))
    # No password matches "*", but unlike "!" it does not lock the account, which sshd would refuse.
    _write(etc / "shadow", "".join(f"{line.split(':', 1)[0]}:*:19000:0:99999:7:::\n" for line in users), 0o600)


def _sshd_config(penalties: bool, login: str) -> str:
    lines = [
        "Include /etc/ssh/sshd_config.d/*.conf",
        # No port, so that one named elsewhere takes effect; the pod's sshd knows where the container's port 22 is.
        "ListenAddress 127.0.0.1",
        "HostKey /etc/ssh/ssh_host_ed25519_key",
        "HostKey /etc/ssh/ssh_host_ecdsa_key",
        "HostKey /etc/ssh/ssh_host_rsa_key",
        "PermitRootLogin prohibit-password",
        "PasswordAuthentication no",
        "KbdInteractiveAuthentication no",
        "UsePAM no",
        "UseDNS no",
        "PrintMotd no",
        "PidFile /run/sshd.pid",
        # Many short connections at once are normal here.
        "MaxStartups 200",
        "MaxSessions 100",
        "AcceptEnv LANG LC_*",
        f"SetEnv PATH={images.PATH}",
        "Subsystem sftp internal-sftp",
    ]
    if login != "root":
        lines.append(f"AllowUsers {login}")
    if penalties:
        lines.append("PerSourcePenalties no")
    return "".join(f"{line}\n" for line in lines)


def _pip_conf(find_links: str) -> str:
    host = urlsplit(find_links).netloc
    trusted = f"trusted-host = {host}\n" if host else ""
    return f"[global]\nno-index = true\nfind-links = {find_links}\n{trusted}disable-pip-version-check = true\n"
