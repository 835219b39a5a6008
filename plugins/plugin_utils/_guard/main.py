# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The file that is run as the guard's process: makes the collection importable and calls `guard.main`.

Ansible has a loader of its own for collections, which a new process lacks. So the three packages above the plugins are
made here, from where this file lies: it works in an installed collection, through a symbolic link to a checkout, and
beside other installed collections whose `ansible_collections` is a package with code.
"""

from __future__ import annotations

import sys
import types
from pathlib import Path


def make_packages() -> None:
    """Register ansible_collections, podyard and gpu, unless something made them importable already."""
    collection = Path(__file__).absolute().parents[3]
    packages = {
        "ansible_collections": collection.parents[1],
        "ansible_collections.podyard": collection.parent,
        "ansible_collections.podyard.gpu": collection,
    }
    for name, directory in packages.items():
        package = types.ModuleType(name)
        package.__path__ = [str(directory)]
        sys.modules.setdefault(name, package)


if __name__ == "__main__":
    make_packages()
    from ansible_collections.podyard.gpu.plugins.plugin_utils._guard.guard import main

    sys.exit(main())
