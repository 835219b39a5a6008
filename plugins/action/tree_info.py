# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action podyard.gpu.tree_info: counts and hashes a directory tree of the controller."""

from __future__ import annotations

import time
from typing import Any, ClassVar

from ansible.errors import AnsibleActionFail

from ..module_utils._core.patterns import BadPattern, Patterns
from ..plugin_utils._common.action import ControllerAction, local_path
from ..plugin_utils._transfer.manifest import HashCache, Tree, TreeError, digest, hash_tree, scan


class ActionModule(ControllerAction):
    """Count what a transfer of the tree will move, and hash it before a pod is paid for."""

    ARGUMENTS: ClassVar[dict[str, Any]] = {
        "path": {"type": "path", "required": True},
        "include": {"type": "list", "elements": "str", "default": []},
        "exclude": {"type": "list", "elements": "str", "default": []},
        "hash": {"type": "bool", "default": True},
    }

    def act(self, arguments: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        """List and hash the files of a directory."""
        started = time.monotonic()
        try:
            patterns = Patterns(tuple(arguments["include"]), tuple(arguments["exclude"]))
            tree = scan(local_path(arguments["path"]), patterns)
            found = digest(tree, hash_tree(tree, HashCache(tree.root, patterns))) if arguments["hash"] else None
        except (BadPattern, TreeError) as error:
            raise AnsibleActionFail(str(error)) from None
        return {"changed": False, **_summary(tree), "digest": found, "seconds": round(time.monotonic() - started, 3)}


def _summary(tree: Tree) -> dict[str, Any]:
    return {
        "path": str(tree.root),
        "files": len(tree.files),
        "bytes": tree.bytes,
        "links": len(tree.links),
        "special": tree.special,
        "largest_bytes": max((status.size for status in tree.files.values()), default=0),
    }
