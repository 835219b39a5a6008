# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Loose spellings of GPUs: ``4090``, ``rtx4090`` and ``RTX 4090`` are the same catalogue entry. Private to this
collection.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping

from ansible_collections.podyard.gpu.plugins.module_utils._errors import BadRequest
from ansible_collections.podyard.gpu.plugins.module_utils._throughput import model, without_brands, words


def resolve(wanted: str, catalogue: Mapping[str, str]) -> str:
    """The id of the one GPU that ``wanted`` means.

    The best kind of match wins: the whole id or name; the same without its leading brand words; the name by which
    another provider rents the same kind; a run of whole words of it. Words are never cut, so that ``A10`` is not an
    ``A100`` and ``L40`` not an ``L40S``.

    :param catalogue: id -> display name of every GPU there is, in stock or not.
    :raises BadRequest: when nothing matches (with the closest names), or several do (with all of them).
    """
    for kind in KINDS:
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
    return any(kind(wanted, name) for name in (gpu_id, title) if name for kind in KINDS)


def closest(wanted: str, catalogue: Mapping[str, str]) -> list[str]:
    """Up to three display names that look like ``wanted``, or all there are when none does."""
    by_key = {"".join(words(title)): title for title in catalogue.values()}
    by_key.update({"".join(without_brands(words(title))): title for title in catalogue.values()})
    key = "".join(words(wanted))
    near = difflib.get_close_matches(key, by_key, n=6, cutoff=0.5)
    return list(dict.fromkeys(by_key[match] for match in near))[:3] or sorted(set(catalogue.values()))


def _whole(wanted: str, name: str) -> bool:
    return "".join(words(wanted)) == "".join(words(name)) != ""


def _unbranded(wanted: str, name: str) -> bool:
    return "".join(without_brands(words(wanted))) == "".join(without_brands(words(name))) != ""


def _equivalent(wanted: str, name: str) -> bool:
    """True when both are names of one kind of GPU: ``A100 SXM`` here is ``A100 SXM4`` there."""
    kind = model(wanted)
    return kind is not None and kind is model(name)


def _contained(wanted: str, name: str) -> bool:
    """True when ``wanted``, whatever its blanks, is a run of whole words of ``name``."""
    key, parts = "".join(words(wanted)), words(name)
    runs = ("".join(parts[first:last]) for first in range(len(parts)) for last in range(first + 1, len(parts) + 1))
    return key != "" and key in runs


KINDS = (_whole, _unbranded, _equivalent, _contained)
