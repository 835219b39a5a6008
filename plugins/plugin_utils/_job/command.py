# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What becomes of a job's command, and of other values, on their way from a command line to here."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from ansible.errors import AnsibleError
from ansible.parsing.splitter import split_args

from . import spec

#: Programs that do nothing by themselves: each is given a script. All that belongs to the program itself may follow.
_INTERPRETERS = re.compile(
    r"(python[\d.]*|pypy[\d.]*|bash|sh|dash|zsh|node|perl|ruby|julia|torchrun|deepspeed|accelerate( launch)?)"
    r"( -[A-Za-z]\b)*"
)
_ASSIGNED = re.compile(r"([A-Za-z_]\w*)=")
#: The length of an array, or of a text, in a shell; to Jinja the beginning of a comment.
_COMMENT = re.compile(r"\{#")
#: Where Jinja looks for no comment: between raw and endraw, and in an expression.
_RAW = re.compile(r"\{%-?\s*raw\s*-?%\}.*?\{%-?\s*endraw\s*-?%\}|\{\{.*?\}\}", re.DOTALL)
#: Official images, at whichever registry: their makers leave Python to those who build on them.
WITHOUT_PYTHON = frozenset(
    {"nvidia/cuda", "nvidia/cudagl", "nvidia/opengl", "nvidia/vulkan", "ubuntu", "debian", "alpine", "busybox"}
    | {"archlinux", "opensuse/leap", "opensuse/tumbleweed"}
)
#: Characters on each side by which a place in a text is recognised.
AROUND = 15


def lost_words(extra_vars: Iterable[Any]) -> list[str]:
    """Sentences for the words of ``-e train_name=value`` that Ansible drops: of a text with blanks it keeps the first.

    :param extra_vars: the texts as they were given, also ``@FILE`` and JSON, which lose nothing.
    """
    problems = []
    for text in map(str, extra_vars):
        if not text or text[0] in "@[{/.":
            continue
        try:
            words = split_args(text)
        except AnsibleError:
            continue  # Ansible has refused it already
        problems += [_lost(name, kept, lost) for name, kept, lost in _assignments(words) if lost]
    return problems


def _assignments(words: Iterable[str]) -> Iterator[tuple[str, str, list[str]]]:
    """Of each variable of a job its name, what Ansible keeps, and the words that follow and are no variable."""
    found: list[tuple[str, str, list[str]]] = []
    ours = False
    for word in words:
        name = _ASSIGNED.match(word)
        if name:
            ours = name[1].startswith(spec.PREFIX)
            if ours:
                found.append((name[1], word[name.end() :], []))
        elif ours:
            found[-1][2].append(word)
    yield from found


def _lost(name: str, kept: str, lost: list[str]) -> str:
    if name in spec.SECRET:
        return f"{name}: of a value with blanks Ansible keeps the first word only: give it in a file, as -e @job.yml."
    whole = " ".join([kept, *lost]).replace("'", "'\\''")
    return (
        f"{name}: Ansible keeps '{kept}' of what -e gives and drops '{' '.join(lost)}', for blanks end a value there. "
        f"""Write -e '{{"{name}": "{whole}"}}', or put it into a file and say -e @job.yml."""
    )


def bare_interpreter(job: dict[str, Any]) -> Iterator[str]:
    """Find a command that ends at once, and successfully, since it does not say what to run."""
    first, *rest = (job["command"] or "").split() or [""]
    command = " ".join([PurePosixPath(first).name, *rest])
    if _INTERPRETERS.fullmatch(command):
        yield (
            f"train_command is only '{job['command'].strip()}', which would end at once: name the script to run. "
            'A value with blanks is given as -e \'{"train_command": "python train.py --epochs 3"}\', or in a file by '
            "-e @job.yml."
        )


def without_python(job: Mapping[str, Any]) -> Iterator[str]:
    """Find an image whose name says that it brings no Python.

    A start command or the image's own set-up may add one, so this refuses nothing.
    """
    path = (job["image"] or "").lower().partition("@")[0]
    registry, _separator, rest = path.partition("/")
    name = rest if rest and ("." in registry or ":" in registry) else path
    repository, _separator, tag = name.partition(":")
    if job["python"] is None and repository.removeprefix("library/") in WITHOUT_PYTHON and "python" not in tag:
        yield (
            f"The image {job['image']} is one that brings no Python, without which nothing can be done on the pod: it "
            "would be given back. Take one with Python, as pytorch/pytorch or one made from this; where something "
            "installs one, name its path (train_python)."
        )


def comment_in(value: Any, is_template: Callable[[Any], bool], *, secret: bool = False) -> str | None:
    """Where a value holds what a shell is to read and is a comment to Jinja, and what to write: the end of a sentence.

    None where nothing is, where it stands between raw and endraw, and where it is a whole comment of somebody's.

    :param is_template: whether a text is filled in at all.
    :param secret: the value is not quoted.
    """
    if isinstance(value, (list, tuple, dict)):
        parts = value.values() if isinstance(value, dict) else value
        return next((found for each in parts if (found := comment_in(each, is_template, secret=secret))), None)
    if not isinstance(value, str) or not is_template(value):
        return None
    text = _RAW.sub(lambda raw: " " * len(raw[0]), value)
    place = next(
        (
            at.start()
            for at in _COMMENT.finditer(text)
            if text[: at.start()].endswith("$") or "#}" not in text[at.end() :]
        ),
        None,
    )
    if place is None:
        return None
    around = " ".join(value[max(0, place - AROUND) : place + AROUND].split())
    where = f"in line {value.count(chr(10), 0, place) + 1}" + ("" if secret else f": …{around}…")
    return (
        f"'{{#' begins a comment of Jinja, and stands {where}. If the shell is to read it, write "
        "{{ '{#' }} for it, or put {% raw %} before and {% endraw %} after that text"
    )
