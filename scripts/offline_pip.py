#!/usr/bin/env python
# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Give ansible-test the pip bootstrap script it would download, so that it works from the package index alone.

Called with the interpreter of an environment that holds ansible-core, and the home directory ansible-test will have.
ansible-test makes environments without pip and then looks for ``get_pip_<version>.py`` in its cache before it goes to
the network. The stand-in written there runs the pip wheel that every CPython carries in ensurepip.
"""

from __future__ import annotations

import os
import pathlib
import re
import sys

import ansible_test

STAND_IN = """\
import ensurepip
import pathlib
import runpy
import sys

wheel = next((pathlib.Path(ensurepip.__file__).parent / "_bundled").glob("pip-*.whl"))
sys.path.insert(0, str(wheel))
sys.argv = ["pip", "install"] + [word for word in sys.argv[1:] if word not in ("--no-setuptools", "--no-wheel")]
runpy.run_module("pip", run_name="__main__", alter_sys=True)
"""


def pinned_pips() -> list[str]:
    """Return the pip versions this ansible-test may ask for, read from its own source."""
    source = pathlib.Path(ansible_test.__path__[0], "_internal", "python_requirements.py").read_text(encoding="utf-8")
    versions = sorted(set(re.findall(r"""pip=['"]([0-9.]+)['"]""", source)))
    if not versions:
        sys.exit("offline_pip.py: this ansible-test names its pip version in another way than 2.19 to 2.21 do")
    return versions


def write_stand_ins(home: pathlib.Path) -> None:
    """Write one stand-in per pinned version below ``home``, and let pip there read the user's own configuration."""
    cache = home / ".ansible" / "test" / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    for version in pinned_pips():
        target = cache / f"get_pip_{version.replace('.', '_')}.py"
        draft = target.with_suffix(f".{os.getpid()}")
        draft.write_text(STAND_IN, encoding="utf-8")
        draft.replace(target)
    for name in (".config/pip", ".pip"):
        theirs, ours = pathlib.Path.home() / name, home / name
        if theirs.is_dir() and not ours.exists():
            ours.parent.mkdir(parents=True, exist_ok=True)
            ours.symlink_to(theirs)


if __name__ == "__main__":
    write_stand_ins(pathlib.Path(sys.argv[1]))
