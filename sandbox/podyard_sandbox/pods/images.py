# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images: which programs a profile lacks, what its environment is, and what it runs.

All images share this machine's /usr. What an image lacks is missing from its /usr/bin and /usr/sbin: both are
directories of links into the real ones, which are mounted as /usr/.bin and /usr/.sbin (at the same depth, so that
programs find the files next to them), where an empty file covers what the image lacks. The pod's own apt-get links
programs from /usr/.packages into /usr/bin and /usr/sbin, which are writable if the image lacks anything.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from importlib.resources import files
from pathlib import Path

from .spec import PodError, PodSpec

PACKAGES = "/usr/.packages"
# Where the pod's sshd reads the port that the sandbox has mapped.
SSHD_PORT = "/usr/.sshd-port"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

_RSYNC = ("rsync", "rsync-ssl", "rrsync")
_SSHD = ("sshd", "sshd-session", "ssh-keygen", "ssh", "scp", "sftp", "slogin", "ssh-*")
_PYTHON = ("python", "python[23]*", "pip", "pip[23]*", "pydoc*", "py3*", "2to3*", "pygettext*", "uv", "uvx")


@dataclass(frozen=True)
class Profile:
    """An image.

    ``lacks`` are shell patterns of the programs it lacks; ``command`` None means the start script; ``login`` is the
    only user who may log in.
    """

    lacks: tuple[str, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    command: tuple[str, ...] | None = None
    login: str = "root"


# RunPod's images keep caches on the volume and let pip write into the system's Python.
_RUNPOD_ENVIRONMENT = (
    ("SHELL", "/bin/bash"),
    ("PYTHONUNBUFFERED", "1"),
    ("PIP_BREAK_SYSTEM_PACKAGES", "1"),
    ("HF_HOME", "/workspace/.cache/huggingface"),
    ("PIP_CACHE_DIR", "/workspace/.cache/pip"),
    ("UV_CACHE_DIR", "/workspace/.cache/uv"),
)

PROFILES: dict[str, Profile] = {
    "runpod": Profile(environment=_RUNPOD_ENVIRONMENT),
    "slim": Profile(lacks=(*_RSYNC, "curl", "curl-config")),
    # bash waits for sleep instead of replacing itself with it, so that PID 1 reaps ended processes.
    "nosshd": Profile(lacks=(*_RSYNC, *_SSHD), command=("/bin/bash", "-c", "sleep infinity; exit $?")),
    "nopython": Profile(lacks=_PYTHON, environment=_RUNPOD_ENVIRONMENT),
    "vast": Profile(environment=(("SHELL", "/bin/bash"),), command=("/bin/bash", "-c", "sleep infinity; exit $?")),
    "nonroot": Profile(environment=_RUNPOD_ENVIRONMENT, login="user"),
}


def profile_for_image(image: str) -> str:
    """Return the profile that stands for an image's name.

    A name or tag that says `nosshd`, `nopython`, `nonroot` (SSH for its user `user` only) or ends in `slim` means that;
    RunPod's own images (`runpod/…`) have everything; all others (plain `pytorch/pytorch`, `nvidia/cuda`, `ubuntu`) come
    without an SSH server.
    """
    name = re.sub(r"^(docker\.io|registry\.hub\.docker\.com)/", "", image.strip().lower()).split("@")[0]
    for profile in ("nosshd", "nopython", "nonroot"):
        if profile in name:
            return profile
    repository, tag = name.rsplit(":", 1) if ":" in name.rsplit("/", 1)[-1] else (name, "")
    if repository.endswith("slim") or tag.endswith("slim"):
        return "slim"
    return "runpod" if name.startswith("runpod/") else "nosshd"


def command(spec: PodSpec) -> list[str]:
    """Return what PID 1 of the pod executes: the image's own command, or what `args` replaces it with.

    `args` is one text that is split as a shell would, or the JSON object {"entrypoint": […], "cmd": […]}.
    Raises PodError when it is neither.
    """
    if spec.launch is not None and spec.launch.script:
        return ["/run/vast/launch.sh"]
    if spec.args is None or not spec.args.strip():
        return list(PROFILES[spec.profile].command or ("/start.sh",))
    if spec.args.lstrip().startswith("{"):
        words = _from_json(spec)
    else:
        try:
            words = shlex.split(spec.args)
        except ValueError as error:
            raise PodError(f"pod {spec.id}: its args cannot be split into words ({error})") from error
    if not words:
        raise PodError(f"pod {spec.id}: its args hold no command")
    return words


def _from_json(spec: PodSpec) -> list[str]:
    wanted = 'its args are neither a command nor a JSON object {"entrypoint": [texts], "cmd": [texts]}'
    try:
        parts = json.loads(spec.args or "")
    except (ValueError, RecursionError) as error:
        raise PodError(f"pod {spec.id}: {wanted} ({error})") from error
    lists = [parts.pop(name, None) or [] for name in ("entrypoint", "cmd")]
    if parts or not all(isinstance(words, list) and all(isinstance(word, str) for word in words) for words in lists):
        raise PodError(f"pod {spec.id}: {wanted}")
    return [*lists[0], *lists[1]]


def environment(spec: PodSpec) -> dict[str, str]:
    """Return the container's environment: the image's, overridden by the pod's own."""
    base = {"PATH": PATH, "HOME": "/root", "HOSTNAME": spec.hostname, "LANG": "C.UTF-8"}
    return {**base, **dict(PROFILES[spec.profile].environment), **spec.env}


def script(name: str) -> str:
    """Return the text of a script that images carry (`start.sh`, `nvidia-smi`, `apt-get`, `sshd`)."""
    text = files(__package__).joinpath("files", name).read_text(encoding="utf-8")
    # RunPod's start script has this shebang, and a pod's process list shows it.
    return text.replace("#!/usr/bin/env bash", "#!/bin/bash", 1)


class ProgramDirs:
    """The link directories of the profiles, created on first use below `directory`."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._sshd = directory / "sshd"
        # Pods start side by side, each in a thread of its own.
        self._lock = threading.Lock()

    def of(self, profile: str, *, gpu: bool) -> Path:
        """Return a directory with `bin` and `sbin` of links for this profile, with `nvidia-smi` for a GPU pod."""
        made = self._directory / f"{profile}-{'gpu' if gpu else 'cpu'}"
        with self._lock:
            if not made.exists():
                self._make(made, profile, gpu)
        return made

    def _make(self, made: Path, profile: str, gpu: bool) -> None:
        draft = made.with_suffix(".draft")
        for folder in ("bin", "sbin"):
            (draft / folder).mkdir(parents=True)
            for name in _names(folder):
                if not _lacks(profile, name) and name != "nvidia-smi":
                    (draft / folder / name).symlink_to(f"/usr/.{folder}/{name}")
        python = draft / "bin" / "python"
        if (draft / "bin" / "python3").is_symlink() and not python.is_symlink():
            python.symlink_to("/usr/.bin/python3")
        for name in ("apt-get", "nvidia-smi") if gpu else ("apt-get",):
            (draft / "bin" / name).unlink(missing_ok=True)
            (draft / "bin" / name).write_text(script(name), encoding="utf-8")
            (draft / "bin" / name).chmod(0o755)
        (draft / "bin" / "apt").unlink(missing_ok=True)
        (draft / "bin" / "apt").symlink_to("apt-get")
        for sshd in (self._sshd, draft / "sbin" / "sshd"):
            if sshd == self._sshd or sshd.is_symlink():
                sshd.unlink(missing_ok=True)
                sshd.write_text(script("sshd"), encoding="utf-8")
                sshd.chmod(0o755)
        draft.rename(made)

    def copy(self, profile: str, target: Path, *, gpu: bool) -> None:
        """Create a pod's own `usr-bin` and `usr-sbin` below `target`, where it can install what its image lacks."""
        for folder in ("bin", "sbin") if PROFILES[profile].lacks else ():
            (target / f"usr-{folder}").mkdir(parents=True)
            for entry in os.scandir(self.of(profile, gpu=gpu) / folder):
                own = target / f"usr-{folder}" / entry.name
                if entry.is_symlink():
                    # A second name of the same link: a new link of each program takes a disk a second and more.
                    os.link(entry.path, own, follow_symlinks=False)
                else:
                    shutil.copy2(entry.path, own)

    def covered(self, profile: str) -> Iterator[str]:
        """Yield the paths, as the pod sees them, that an empty file must cover."""
        for folder in ("bin", "sbin"):
            for name in _names(folder):
                path = Path("/usr", folder, name)
                if _lacks(profile, name) and not path.is_symlink() and path.is_file():
                    yield f"/usr/.{folder}/{name}"

    def ready(self, profile: str) -> Iterator[tuple[Path, str]]:
        """Yield what the image lacks and this machine has: where it is, and where the pod's apt-get finds it."""
        for folder in ("bin", "sbin"):
            for name in _names(folder):
                path = Path("/usr", folder, name)
                if _lacks(profile, name) and path.is_file():
                    yield (self._sshd if name == "sshd" else path), f"{PACKAGES}/{folder}/{name}"
                    if name == "sshd":
                        yield path, f"{PACKAGES}/real/sshd"


def _names(folder: str) -> list[str]:
    return sorted(entry.name for entry in Path("/usr", folder).iterdir())


def _lacks(profile: str, name: str) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in PROFILES[profile].lacks)
