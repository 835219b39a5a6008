# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The CUDA version that an image is built for, and the hosts on which it runs."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ...module_utils._core.offer import Offer
from ...module_utils._core.units import major_minor
from .record import Cuda

Version = tuple[int, int]
# cu1281, cu128, cu12: two digits are the major version, each one after that a part.
_SHORT = re.compile(r"(?<![a-z0-9])cu(\d{2})(\d)?(\d)?(?![\d.])")
# cuda12.4.1, cuda-12.8, cuda12
_LONG = re.compile(r"(?<![a-z0-9])cuda[-_]?(\d{1,2})(?:\.(\d{1,2}))?(?:\.(\d{1,2}))?(?!\d)")
# 12.8.1-cudnn-devel-ubuntu22.04, of an image that is called cuda
_PLAIN = re.compile(r"(\d{1,2})\.(\d{1,2})(?:\.(\d{1,2}))?(?!\d)")


def of_image(image: str | None) -> str | None:
    """Return the CUDA version that an image's name shows, such as 12.8.1 for the tag 1.0.2-cu1281-torch280; or None."""
    path, _separator, _digest = (image or "").lower().partition("@")
    _folder, _separator, name = path.rpartition("/")
    repository, _separator, tag = name.partition(":")
    found = _SHORT.search(tag) or _LONG.search(tag)
    if found is None and repository == "cuda":
        found = _PLAIN.match(tag)
    # Some have the version in the name of the repository: pytorch-cuda12.1.
    found = found or _SHORT.search(repository) or _LONG.search(repository)
    return ".".join(part for part in found.groups() if part is not None) if found else None


def against(image: str | None, floor: str | None, offers: Sequence[Offer]) -> Cuda:
    """Compare what an image needs with what is asked of the hosts and with what the offers have."""
    told = of_image(image)
    needed, least = major_minor(told), major_minor(floor)
    newest = max((each for offer in offers for each in _hosts(offer)), default=None)
    newest_word = ".".join(map(str, newest)) if newest else None
    if needed is None:
        return Cuda(told, floor, newest_word, None, None, None, None)
    judged = [_judged(_hosts(offer), needed, least) for offer in offers]
    fitting, mixed, too_old, unknown = (judged.count(kind) for kind in ("fitting", "mixed", "too_old", "unknown"))
    return Cuda(told, floor, newest_word, fitting, mixed, too_old, unknown)


def _hosts(offer: Offer) -> list[Version]:
    """Return the CUDA versions of an offer's hosts."""
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
