# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Loose spellings of GPUs: ``4090``, ``rtx4090`` and ``RTX 4090`` are the same catalogue entry. Private to this
collection.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping

from ansible_collections.podyard.gpu.plugins.module_utils._errors import BadRequest

#: Words in front of a model that people leave out.
_BRANDS = frozenset({"nvidia", "geforce", "rtx", "gtx", "amd", "instinct", "tesla", "radeon", "quadro"})


def resolve(wanted: str, catalogue: Mapping[str, str]) -> str:
    """The id of the one GPU that ``wanted`` means.

    The best kind of match wins: the whole id or name; the same without its leading brand words; a run of whole words
    of it. Words are never cut, so that ``A10`` is not an ``A100`` and ``L40`` not an ``L40S``.

    :param catalogue: id -> display name of every GPU there is, in stock or not.
    :raises BadRequest: when nothing matches (with the closest names), or several do (with all of them).
    """
    for kind in (_whole, _unbranded, _contained):
        found = [gpu_id for gpu_id, title in catalogue.items() if kind(wanted, gpu_id) or kind(wanted, title)]
        if len(found) == 1:
            return found[0]
        if found:
            names = ", ".join(sorted(f"{catalogue[gpu_id]} ({' '.join(gpu_id.split())})" for gpu_id in found))
            raise BadRequest(
                f"The GPU {wanted!r} (option gpus, of a job train_gpus) could be any of: {names}. Write the name or "
                "the id of one of them."
            )
    raise BadRequest(
        f"There is no GPU {wanted!r} (option gpus, of a job train_gpus); the closest names are: "
        f"{', '.join(closest(wanted, catalogue))}. Write one of these, or another name or id of the catalogue."
    )


def same(wanted: str, gpu_id: str | None, title: str | None) -> bool:
    """True when ``wanted`` is a spelling of this one GPU."""
    return any(kind(wanted, name) for name in (gpu_id, title) if name for kind in (_whole, _unbranded, _contained))


def closest(wanted: str, catalogue: Mapping[str, str]) -> list[str]:
    """Up to three display names that look like ``wanted``, or all there are when none does."""
    by_key = {"".join(_words(title)): title for title in catalogue.values()}
    by_key.update({"".join(_without_brands(_words(title))): title for title in catalogue.values()})
    key = "".join(_words(wanted))
    near = difflib.get_close_matches(key, by_key, n=6, cutoff=0.5)
    return list(dict.fromkeys(by_key[match] for match in near))[:3] or sorted(set(catalogue.values()))


def _words(text: str) -> list[str]:
    return re.findall(r"[a-z0-9]+", text.lower())


def _without_brands(words: Iterable[str]) -> list[str]:
    kept = list(words)
    while len(kept) > 1 and kept[0] in _BRANDS:
        del kept[0]
    return kept


def _whole(wanted: str, name: str) -> bool:
    return "".join(_words(wanted)) == "".join(_words(name)) != ""


def _unbranded(wanted: str, name: str) -> bool:
    return "".join(_without_brands(_words(wanted))) == "".join(_without_brands(_words(name))) != ""


def _contained(wanted: str, name: str) -> bool:
    """True when ``wanted``, whatever its blanks, is a run of whole words of ``name``."""
    key, words = "".join(_words(wanted)), _words(name)
    runs = ("".join(words[first:last]) for first in range(len(words)) for last in range(first + 1, len(words) + 1))
    return key != "" and key in runs
