# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The CUDA version that an image is built for, and the hosts on which it runs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from ...module_utils._core.offer import Offer
from ...module_utils._core.units import major_minor

Version = tuple[int, int]
# cu1281, cu128, cu12: two digits are the major version, each one after that a part.
_SHORT = re.compile(r"(?<![a-z0-9])cu(\d{2})(\d)?(\d)?(?![\d.])")
# cuda12.4.1, cuda-12.8, cuda12
_LONG = re.compile(r"(?<![a-z0-9])cuda[-_]?(\d{1,2})(?:\.(\d{1,2}))?(?:\.(\d{1,2}))?(?!\d)")
# 12.8.1-cudnn-devel-ubuntu22.04, of an image that is called cuda
_PLAIN = re.compile(r"(\d{1,2})\.(\d{1,2})(?:\.(\d{1,2}))?(?!\d)")


def of_image(image: str | None) -> str | None:
    """The CUDA version that an image's name tells, such as 12.8.1 for the tag 1.0.2-cu1281-torch280; None for none."""
    path, _separator, _digest = (image or "").lower().partition("@")
    _folder, _separator, name = path.rpartition("/")
    repository, _separator, tag = name.partition(":")
    found = _SHORT.search(tag) or _LONG.search(tag)
    if found is None and repository == "cuda":
        found = _PLAIN.match(tag)
    # Some have the version in the name of the repository: pytorch-cuda12.1.
    found = found or _SHORT.search(repository) or _LONG.search(repository)
    return ".".join(part for part in found.groups() if part is not None) if found else None


def against(image: str | None, floor: str | None, offers: Sequence[Offer]) -> dict[str, Any]:
    """What an image needs, against what is asked of the hosts and what the offers have.

    {"image": version or None, "floor": version or None, "newest": of the offers, and their numbers: "fitting", those of
    which every host known runs the image, "mixed", "too_old" and "unknown"}. The numbers are None when the image tells
    nothing.
    """
    told = of_image(image)
    needed, least = major_minor(told), major_minor(floor)
    newest = max((each for offer in offers for each in _hosts(offer)), default=None)
    found: dict[str, Any] = {"image": told, "floor": floor, "newest": ".".join(map(str, newest)) if newest else None}
    kinds = ("fitting", "mixed", "too_old", "unknown")
    if needed is None:
        return {**found, **dict.fromkeys(kinds)}
    judged = [_judged(_hosts(offer), needed, least) for offer in offers]
    return {**found, **{kind: judged.count(kind) for kind in kinds}}


def _hosts(offer: Offer) -> list[Version]:
    """The CUDA versions of an offer's hosts."""
    return [found for each in offer.cuda_versions if (found := major_minor(each)) is not None]


def _judged(hosts: Sequence[Version], needed: Version, least: Version | None) -> str:
    """Whether an image runs on hosts with these drivers, older ones than the least left out."""
    if least is not None and least >= needed:
        return "fitting"
    there = [host for host in hosts if least is None or host >= least]
    if not there:
        return "unknown"
    if min(there) >= needed:
        return "fitting"
    return "mixed" if max(there) >= needed else "too_old"
