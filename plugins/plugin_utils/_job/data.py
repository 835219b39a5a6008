# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the dataset of a job is named after on storage that runs share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from ...module_utils._core.patterns import BadPattern, Patterns, exactly
from .._transfer.account_keys import AccountKeys
from .._transfer.manifest import HashCache, TreeError, digest, hash_tree, scan

#: A dataset may have terabytes, and a key is in a small file: these are 10,000 files of up to 1 MiB, some seconds of a
#: disk.
SEARCHED_BYTES, SEARCHED_FILES = 1 << 20, 10_000


def dataset_digest(job: Mapping[str, Any], keys: AccountKeys) -> str | None:
    """Return the digest of what will be sent of the dataset; None where it cannot be read, which others report.

    The hashes are kept here, so that neither the plan nor the transfer reads anything again.
    """
    exclude = tuple(job["dataset_exclude"] or ())
    try:
        tree = scan(Path(job["dataset"]).expanduser().absolute(), Patterns(exclude=exclude))
        found = sorted(path for path, _what in keys.in_tree(tree, SEARCHED_BYTES, SEARCHED_FILES))
        for path in found:
            del tree.files[path]
        return digest(tree, hash_tree(tree, HashCache(tree.root, Patterns(exclude=(*exclude, *map(exactly, found))))))
    except (TreeError, BadPattern):
        return None


def holds_files(files: Sequence[Mapping[str, Any]] | None, dirs: Mapping[str, str]) -> bool:
    """Whether files of the job go into the directory of the data."""
    dests = [PurePosixPath(dirs["code"], str(entry.get("dest"))) for entry in files or []]
    return any(PurePosixPath(dirs["data"]) in dest.parents for dest in dests)
