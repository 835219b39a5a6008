# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Loose spellings of GPUs: ``4090``, ``rtx4090`` and ``RTX 4090`` are the same catalogue entry; and whether the GPU
that was rented is the one that is there. Private to this collection.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping

from .errors import BadRequest
from .models import Name, parse
from .throughput import exactly, forms, without_brands, words

#: Of these the provider's plain name is one edition; a driver that leaves the edition out has not said which it is.
_EDITION_UNSAID = frozenset({"pro6000"})
#: What was said of a card's memory may differ by so much: 94 and 96 GB are the same card.
_MEMORY_SLACK = 0.1


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


def same_model(rented: str, found: str, memory_mb: float | None = None) -> bool | None:
    """Whether a driver's name of a GPU is that of the model which was rented; None where the names leave it open.
    Another form of a model (PCIe for SXM), another size and a slice of it are not what was rented.

    :param memory_mb: what the driver measures, where its name says no size.
    """
    one, other = parse(rented), parse(found)
    if not _clear(one) or not _clear(other):
        return None
    if one.base != other.base:
        return None if _spelled_alike(one, other) else False
    if (one.part or other.part) and one.part != other.part:
        return _slice(one, other)
    if one.variants != other.variants:
        return None if _mobile_unsaid(one, other) else False
    had = other.memory_gb or (memory_mb / 1024 if memory_mb else None)
    if not one.part and one.memory_gb and had and abs(had - one.memory_gb) > _MEMORY_SLACK * one.memory_gb:
        return False
    if other.form is None and other.base in _EDITION_UNSAID:
        return None
    if exactly(one) is not None and exactly(other) is not None:
        return exactly(one) is exactly(other)
    return one.form == other.form if one.kind == other.kind or (one.form and other.form) else None


def _clear(name: Name) -> bool:
    """False for what names no model: ``NVIDIA Graphics Device``, ``[Not Supported]``."""
    return bool(forms(name)) or re.search(r"\d|^titan", name.base) is not None


def _spelled_alike(one: Name, other: Name) -> bool:
    """True when two different bases may be one model: one is a bare number whose family nobody said, the other has that
    number, and the table has not both. Letters around a number make another model: A10 and A10G, L40 and L40S.
    """
    bare, said = sorted((one, other), key=lambda name: not name.base.isdigit())
    alike = bare.base.isdigit() and re.findall(r"\d+", said.base) == [bare.base] and one.variants == other.variants
    return alike and not (forms(one) and forms(other))


def _slice(one: Name, other: Name) -> bool | None:
    """Of a whole GPU and a slice, or two slices. A driver shows the whole where a slice was rented, and a virtual GPU
    that has all the memory of its board may be all of it.
    """
    if other.part is None:
        return None
    sizes = [size for each in forms(Name(other.base, other.variants)) for size in each.memory_gb]
    return None if one.part is None and other.memory_gb in sizes and "mig" not in other.part else False


def _mobile_unsaid(one: Name, other: Name) -> bool:
    """Before the thirtieth series a driver does not say that a card is a laptop's, or says only Max-Q."""
    differ = one.variants ^ other.variants
    old = re.fullmatch(r"(9|10|16|20)\d\d", one.base) is not None
    return old and "laptop" in one.variants and differ <= {"laptop", "maxq"}


def is_amd(name: str) -> bool:
    """Whether a GPU is one of AMD's, of which NVIDIA's tools know nothing."""
    return (
        bool({"amd", "instinct", "radeon"} & set(words(name))) or re.match(r"(mi|rx)\d", parse(name).base) is not None
    )


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
    """True when both are names of one kind of GPU, of the same size where they say one: ``A100 SXM`` here is ``A100
    SXM4`` there, ``RTX 4080 SUPER`` is ``RTX 4080S``.
    """
    return parse(wanted).memory_gb == parse(name).memory_gb and _of_any_size(wanted, name)


def _of_any_size(wanted: str, name: str) -> bool:
    """The same where one of them does not say how much memory it has."""
    one, other = parse(wanted), parse(name)
    sizes = {size for size in (one.memory_gb, other.memory_gb) if size is not None}
    if one.part or other.part or len(sizes) > 1 or not _clear(one) or _open(one):
        return False
    return (exactly(one) or one.kind) == (exactly(other) or other.kind)


def _open(name: Name) -> bool:
    """True for a name that leaves open which of several forms is meant, as ``A100`` does."""
    return exactly(name) is None and len(forms(name)) > 1


def _contained(wanted: str, name: str) -> bool:
    """True when ``wanted``, whatever its blanks, is a run of whole words of ``name``, and ``name`` is no other model:
    the words of ``RTX 4070`` are in ``RTX 4070 Ti``.
    """
    key, parts = "".join(words(wanted)), words(name)
    runs = ("".join(parts[first:last]) for first in range(len(parts)) for last in range(first + 1, len(parts) + 1))
    return key != "" and key in runs and not _another(parse(wanted), parse(name))


def _another(one: Name, other: Name) -> bool:
    if other.part and not one.part:
        return True
    if one.base != other.base:
        return bool(forms(one))
    known = exactly(one), exactly(other)
    return bool((one.variants ^ other.variants) - {"ada"}) or (None not in known and known[0] is not known[1])


KINDS = (_whole, _unbranded, _equivalent, _of_any_size, _contained)
