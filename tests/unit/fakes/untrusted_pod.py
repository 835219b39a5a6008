# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A pod on this machine that lies: commands run here, with the programs of the test before the real ones."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import Any

from ansible_collections.podyard.gpu.plugins.module_utils._core.patterns import Patterns
from ansible_collections.podyard.gpu.plugins.plugin_utils._common.ssh import MARK, SshHost
from ansible_collections.podyard.gpu.plugins.plugin_utils._transfer.pull import Pull
from ansible_collections.podyard.gpu.plugins.plugin_utils._transfer.transfer import Mover, Report, Request

ADDRESS = "203.0.113.9"


class UntrustedPod:
    """Answers as its real programs do, but for those that `program` and `answer` put in their place.

    `tree` is what it has to offer. `dest` is where a pull goes to, in a directory with something in it that nobody may
    touch.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.tree, self.programs = directory / "pod", directory / "programs"
        self.user = directory / "user"
        self.dest = self.user / "runs" / "x" / "artifacts"
        for folder in (self.tree, self.programs, self.dest.parent):
            folder.mkdir(parents=True)
        self.canary = self.user / ".bashrc"
        self.canary.write_text("mine")
        self.shown: list[str] = []
        self._write_ssh("")

    def _write_ssh(self, first: str) -> None:
        ssh = self.directory / "ssh"
        ssh.write_text(
            f'#!/bin/sh\nwhile [ "$1" != {ADDRESS} ]; do shift; done\nshift\n{first}\n'
            f'PATH={shlex.quote(str(self.programs))}:$PATH exec sh -c "$*"\n'
        )
        ssh.chmod(0o755)

    def program(self, name: str, text: str) -> None:
        """Put a shell script in the place of one of the pod's programs."""
        place = self.programs / name
        place.write_text(f"#!/bin/sh\n{text}\n")
        place.chmod(0o755)

    def answer(self, part: str, output: bytes | str) -> None:
        """Answer every command that holds `part` with these bytes, or with what a shell command prints."""
        if isinstance(output, bytes):
            file = self.directory / "answer"
            file.write_bytes(MARK + output)
            output = f"cat {shlex.quote(str(file))}"
        self._write_ssh(f'case "$*" in *{shlex.quote(part)}*) {output}; exit 0 ;; esac')

    def listing(self, *lines: bytes, hashes: bytes = b"", facts: bytes = b"") -> None:
        """Answer the question for a listing with these lines."""
        told = b"root=" + os.fsencode(self.tree) + b"\0directory=1\0rsync=\0tar=/bin/tar\0cores=2\0" + facts
        self.answer("@list", told + b"@list\0" + b"".join(lines) + b"@hash\0" + hashes + b"@end\0")

    def pull(self, *patterns: str, **options: Any) -> Report:
        request = Request(
            str(self.tree), str(options.pop("dest", self.dest)), Patterns(patterns), "results",
            cached=False, **{"method": "tar", **options},
        )  # fmt: skip
        host = SshHost(str(self.directory / "ssh"), "my-pod", ADDRESS, (), False)
        return Pull(Mover(host, request, self.shown.append)).run()

    def unharmed(self) -> bool:
        """Whether nothing of the user was touched outside of the destination, and nothing was made there."""
        found = sorted(
            str(path.relative_to(self.user)) for path in self.user.rglob("*") if self.dest not in path.parents
        )
        mine = {".bashrc", "runs", "runs/x", "runs/x/artifacts"}
        return self.canary.read_text() == "mine" and set(found) <= mine

    def fetched(self) -> dict[str, str]:
        """What has come: the text of each file, or where a link leads, by path."""
        return {
            str(path.relative_to(self.dest)): f"-> {os.readlink(path)}" if path.is_symlink() else path.read_text()
            for path in sorted(self.dest.rglob("*"))
            if path.is_symlink() or path.is_file()
        }


def line(name: bytes, size: bytes = b"3", kind: bytes = b"f", to: bytes = b"f", link: bytes = b"") -> bytes:
    """One line of a listing as the script prints it."""
    return kind + b" " + to + b" " + size + b" 10.5 11.5 " + name + b"\0" + link + b"\0"


def hashed(name: bytes, sha: bytes = b"a" * 64, size: bytes = b"3") -> bytes:
    """One hash as the script prints it."""
    return b"@s " + size + b" 10.5 11.5 ./" + name + b"\0" + sha + b"  ./" + name + b"\0"
