# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The GPUs there are and what they can do: one table for the market, the plan, the look at a rented pod and the ranking
by value. Private to this collection.

The throughput is that of dense matrix products of 16-bit numbers that are summed up in 32 bits, as training does it, in
TFLOPS of one GPU at its boost clock, from the maker's papers: no sparsity, no sums in 16 bits. Where a paper gives only
the figure with sparsity, it is halved; that of 4-bit numbers with sparsity is an eighth. GeForce cards sum up at half
the speed of their larger sisters, which is in the figures. A paper's figure is no benchmark: it orders GPUs, and says
little about a model that waits for memory or data. ``docs/market.md`` shows the table.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from .models import Name, parse

#: Words in front of a model that people leave out.
BRANDS = frozenset({"nvidia", "geforce", "rtx", "gtx", "amd", "instinct", "tesla", "radeon", "quadro"})

_VOLTA, _TURING = "NVIDIA's data sheet of the Tesla V100", "NVIDIA's paper on the Turing architecture"
_GA102 = "NVIDIA's paper on the GA102"
_CLOCK = "tensor cores times boost clock times 128, by which NVIDIA's papers come to the figures of its sisters"
_SHEET = "NVIDIA's data sheet of the card"
_HALF = "NVIDIA's data sheet of the card, halved since it gives the figure with sparsity"
_EIGHTH = "NVIDIA's data sheet of the card, an eighth of the figure for 4-bit numbers with sparsity"
_QUARTER = "NVIDIA's data sheet of the card, a quarter of the figure for 8-bit numbers with sparsity"
_ADA, _BLACKWELL = "NVIDIA's paper on the Ada architecture", "NVIDIA's paper on the RTX Blackwell architecture"
_NO_PAPER = "none with that figure"
_HGX = "NVIDIA's data sheet of the HGX board with eight, for one and halved since it gives the figure with sparsity"


@dataclass(frozen=True)
class Model:
    """A kind of GPU. ``memory_gb`` are the sizes in which it is made, ``capability`` CUDA's (None: it has no CUDA),
    ``names`` other names by which a provider rents it, ``source`` where the throughput is from. ``tflops`` is None
    where no paper of the maker gives it.
    """

    name: str
    tflops: float | None
    memory_gb: tuple[int, ...]
    capability: float | None
    source: str
    names: tuple[str, ...] = ()


MODELS: tuple[Model, ...] = (
    Model("Tesla V100 SXM2", 125.0, (16, 32), 7.0, _VOLTA),
    Model("Tesla V100 PCIe", 112.0, (16, 32), 7.0, _VOLTA),
    Model("Tesla V100 FHHL", None, (16,), 7.0, _NO_PAPER),
    Model("Tesla T4", 65.0, (16,), 7.5, "NVIDIA's data sheet of the Tesla T4"),
    Model("RTX 2080 Ti", 53.8, (11,), 7.5, _TURING),
    Model("Titan RTX", 130.5, (24,), 7.5, _TURING),
    Model("Quadro RTX 8000", 130.5, (48,), 7.5, _TURING),
    Model("Quadro RTX 6000", 130.5, (24,), 7.5, _TURING),
    Model("RTX 3060", 25.5, (8, 12), 8.6, _CLOCK),
    Model("RTX 3060 Ti", 32.4, (8,), 8.6, _CLOCK),
    Model("RTX 3070", 40.6, (8,), 8.6, _GA102),
    Model("RTX 3070 Ti", 43.5, (8,), 8.6, _CLOCK),
    Model("RTX 3080", 59.5, (10, 12), 8.6, _GA102),
    Model("RTX 3080 Ti", 68.2, (12,), 8.6, _CLOCK),
    Model("RTX 3090", 71.2, (24,), 8.6, _GA102),
    Model("RTX 3090 Ti", 80.0, (24,), 8.6, _CLOCK),
    Model("RTX A2000", 31.9, (6, 12), 8.6, _HALF),
    Model("RTX A4000", 76.7, (16,), 8.6, _HALF),
    Model("RTX A4500", 94.6, (20,), 8.6, _HALF),
    Model("RTX A5000", 111.1, (24,), 8.6, _HALF),
    Model("RTX A6000", 154.8, (48,), 8.6, _HALF),
    Model("RTX A5500", None, (24,), 8.6, _NO_PAPER),
    Model("A10", 125.0, (24,), 8.6, _SHEET),
    Model("A10G", None, (24,), 8.6, _NO_PAPER),
    Model("A30", 165.0, (24,), 8.0, _SHEET),
    Model("A40", 149.7, (48,), 8.6, _SHEET),
    Model("A100 PCIe", 312.0, (40, 80), 8.0, _SHEET),
    Model("A100 SXM", 312.0, (40, 80), 8.0, _SHEET),
    Model("A100X", None, (80,), 8.0, _NO_PAPER),
    Model("A800 PCIe", None, (40, 80), 8.0, _NO_PAPER),
    Model("A800 SXM", None, (80,), 8.0, _NO_PAPER),
    Model("RTX 4060", 30.2, (8,), 8.9, _CLOCK),
    Model("RTX 4060 Ti", 44.1, (8, 16), 8.9, _CLOCK),
    Model("RTX 4070", 58.3, (12,), 8.9, _CLOCK),
    Model("RTX 4070 SUPER", 71.0, (12,), 8.9, _CLOCK),
    Model("RTX 4070 Ti", 80.2, (12,), 8.9, _CLOCK),
    Model("RTX 4070 Ti SUPER", 88.2, (16,), 8.9, _CLOCK),
    Model("RTX 4080", 97.5, (16,), 8.9, _ADA),
    Model("RTX 4080 SUPER", 104.4, (16,), 8.9, _CLOCK),
    Model("RTX 4090", 165.2, (24,), 8.9, _ADA),
    Model("RTX 4090D", 147.1, (24,), 8.9, _CLOCK),
    Model("RTX 2000 Ada", 48.0, (16,), 8.9, _QUARTER),
    Model("RTX 4000 SFF Ada", 76.7, (20,), 8.9, _QUARTER),
    Model("RTX 4000 Ada", 106.9, (20,), 8.9, _QUARTER),
    Model("RTX 4500 Ada", 158.5, (24,), 8.9, _QUARTER),
    Model("RTX 5000 Ada", 261.1, (32,), 8.9, _QUARTER),
    Model("RTX 5880 Ada", None, (48,), 8.9, _NO_PAPER),
    Model("RTX 6000 Ada", 364.2, (48,), 8.9, _QUARTER),
    Model("L4", 121.0, (24,), 8.9, _HALF),
    Model("L40", 181.0, (48,), 8.9, _SHEET),
    Model("L40S", 362.0, (48,), 8.9, _SHEET),
    Model("H100 PCIe", 756.0, (80,), 9.0, _HALF),
    Model("H100 NVL", 835.0, (94,), 9.0, _HALF),
    Model("H100 SXM", 989.0, (80,), 9.0, _HALF),
    Model("H800 PCIe", None, (80,), 9.0, _NO_PAPER),
    Model("H800 SXM", None, (80,), 9.0, _NO_PAPER),
    Model("H200 NVL", 835.0, (141,), 9.0, _HALF),
    Model("H200", 989.0, (141,), 9.0, _HALF, ("H200 SXM",)),
    Model("GH200", 990.0, (96, 144), 9.0, _HALF, ("GH200 SXM",)),
    Model("B200", 2250.0, (180,), 10.0, _HGX, ("B200 SXM",)),
    Model("B300", 2250.0, (288,), 10.3, _HGX, ("B300 SXM",)),
    Model("RTX 5060", 38.4, (8,), 12.0, _CLOCK),
    Model("RTX 5060 Ti", 47.4, (8, 16), 12.0, _CLOCK),
    Model("RTX 5070", 61.7, (12,), 12.0, _BLACKWELL),
    Model("RTX 5070 Ti", 87.9, (16,), 12.0, _BLACKWELL),
    Model("RTX 5080", 112.6, (16,), 12.0, _BLACKWELL),
    Model("RTX 5090", 209.5, (32,), 12.0, _BLACKWELL),
    Model("RTX 5090D", None, (32,), 12.0, _NO_PAPER),
    Model("RTX PRO 4000", None, (24,), 12.0, _NO_PAPER),
    Model("RTX PRO 4500", None, (32,), 12.0, _NO_PAPER),
    Model("RTX PRO 5000", None, (48, 72), 12.0, _NO_PAPER),
    Model("RTX PRO 6000", 500.0, (96,), 12.0, _EIGHTH, ("RTX PRO 6000 S",)),
    Model("RTX PRO 6000 WS", 503.8, (96,), 12.0, _EIGHTH),
    Model("RTX PRO 6000 Max-Q", 438.9, (96,), 12.0, _EIGHTH),
    Model("MI300X", 1307.4, (192,), None, "AMD's data sheet of the Instinct MI300X"),
)  # fmt: skip


def words(text: str) -> list[str]:
    """A name in lower case, without blanks and signs."""
    return re.findall(r"[a-z0-9]+", text.lower())


def without_brands(parts: Iterable[str]) -> list[str]:
    """Words without the brands in front of a model; one word is always left."""
    kept = list(parts)
    while len(kept) > 1 and kept[0] in BRANDS:
        del kept[0]
    return kept


_BY_KIND: Mapping[tuple[str, frozenset[str], str | None], Model] = {
    parse(name).kind: model for model in MODELS for name in (model.name, *model.names)
}


def exactly(name: Name) -> Model | None:
    """The model that a name means; None for one that the table does not have, and where it leaves open which of several
    forms is meant, as ``A100`` does.
    """
    return _BY_KIND.get(name.kind) if name.part is None else None


def forms(name: Name) -> list[Model]:
    """The models that a name may mean: those of its number in every form, where it does not say the form."""
    found = exactly(name)
    if found is not None or name.form is not None or name.part is not None:
        return [found] if found is not None else []
    return list(dict.fromkeys(each for kind, each in _BY_KIND.items() if kind[:2] == name.kind[:2]))


def model(*names: str | None) -> Model | None:
    """The kind of GPU that one of these names is, however it is spelled; of several that a name leaves open the slowest
    whose throughput is known. None for one that the table does not have.
    """
    for name in names:
        found = forms(parse(name)) if name else []
        if found:
            return min(found, key=lambda each: each.tflops or math.inf)
    return None


def memory(found: Model | None, told_mb: float | None) -> int | None:
    """GB of one GPU as its maker sells it. A driver tells less, for some is its own: 46068 MB of a card of 48 GB."""
    if told_mb is None:
        return min(found.memory_gb) if found is not None else None
    told = told_mb / 1024
    sizes = [size for size in (found.memory_gb if found else ()) if 0.9 * size <= told <= 1.1 * size]
    return min(sizes, key=lambda size: abs(size - told)) if sizes else round(told_mb / 1000)
