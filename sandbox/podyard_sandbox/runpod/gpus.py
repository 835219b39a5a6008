# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The GPUs: ids, names, memory, prices, and where their machines are.

The ids, names, pools and memory are the service's; the prices are plausible, not current; the machines are made up.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class GpuType:
    """A GPU type of the catalogue. Prices are USD per hour and GPU; memory is GB per GPU.

    ``secure`` and ``community`` say whether the cloud offers it at all: a price is quoted even where it does not.
    """

    id: str
    name: str
    pool: str | None
    memory: int
    secure_price: float
    community_price: float
    secure: bool = True
    community: bool = True
    manufacturer: str = "NVIDIA"

    @property
    def host_vcpus(self) -> int:
        """vCPUs of the host that come with each GPU."""
        return 8 if self.memory <= 24 else 16 if self.memory <= 48 else 24

    @property
    def host_ram(self) -> int:
        """GB of the host's memory that come with each GPU."""
        return max(48, 2 * self.memory)

    def price(self, cloud: str) -> float:
        """Return the price of one GPU in a cloud, USD per hour."""
        return self.secure_price if cloud == "SECURE" else self.community_price

    def offered(self, cloud: str) -> bool:
        """Return whether the cloud offers this type at all."""
        return self.secure if cloud == "SECURE" else self.community


@dataclass(frozen=True)
class Rack:
    """Machines of one kind in one data centre: how many, and the GPUs of each."""

    data_center: str
    cloud: str
    cuda: str | None
    machines: int
    gpus: int


_TYPES = (
    GpuType("NVIDIA GeForce RTX 3090", "RTX 3090", "AMPERE_24", 24, 0.46, 0.22),
    GpuType("NVIDIA GeForce RTX 4090", "RTX 4090", "ADA_24", 24, 0.69, 0.34),
    GpuType("NVIDIA GeForce RTX 5090", "RTX 5090", "ADA_32_PRO", 32, 0.94, 0.69),
    GpuType("NVIDIA RTX A5000", "RTX A5000", "AMPERE_24", 24, 0.27, 0.16),
    GpuType("NVIDIA  RTX A4500", "RTX A4500", "AMPERE_16", 20, 0.25, 0.19),
    GpuType("NVIDIA RTX A6000", "RTX A6000", "AMPERE_48", 48, 0.49, 0.33),
    GpuType("NVIDIA A40", "A40", "AMPERE_48", 48, 0.40, 0.35),
    GpuType("NVIDIA L4", "L4", "AMPERE_24", 24, 0.43, 0.38, community=False),
    GpuType("NVIDIA L40", "L40", "ADA_48_PRO", 48, 0.99, 0.69),
    GpuType("NVIDIA L40S", "L40S", "ADA_48_PRO", 48, 0.86, 0.79),
    GpuType("NVIDIA RTX 6000 Ada Generation", "RTX 6000 Ada", "ADA_48_PRO", 48, 0.77, 0.74),
    GpuType("NVIDIA A100 80GB PCIe", "A100 PCIe", "AMPERE_80", 80, 1.64, 1.19),
    GpuType("NVIDIA A100-SXM4-80GB", "A100 SXM", "AMPERE_80", 80, 1.74, 1.39, community=False),
    GpuType("NVIDIA H100 PCIe", "H100 PCIe", "ADA_80_PRO", 80, 2.39, 1.99),
    GpuType("NVIDIA H100 NVL", "H100 NVL", "ADA_80_PRO", 94, 2.79, 2.59, community=False),
    GpuType("NVIDIA H100 80GB HBM3", "H100 SXM", "ADA_80_PRO", 80, 2.99, 2.69, community=False),
    GpuType("NVIDIA H200", "H200 SXM", "HOPPER_141", 141, 3.99, 3.59, community=False),
    GpuType("NVIDIA H200 NVL", "H200 NVL", None, 143, 3.39, 3.29, community=False),
    GpuType("NVIDIA B200", "B200", "BLACKWELL_180", 180, 5.99, 5.49, community=False),
    GpuType("NVIDIA RTX PRO 6000 Blackwell Server Edition", "RTX PRO 6000", "BLACKWELL_96", 96, 1.89, 1.69),
    GpuType("AMD Instinct MI300X OAM", "MI300X", None, 192, 2.49, 2.49, community=False, manufacturer="AMD"),
)
GPUS: Mapping[str, GpuType] = {gpu.id: gpu for gpu in _TYPES}

_S, _C = "SECURE", "COMMUNITY"
RACKS: Mapping[str, tuple[Rack, ...]] = {
    # One GPU left: LOW, and the next user finds nothing.
    "NVIDIA GeForce RTX 3090": (Rack("EU-CZ-1", _S, "12.4", 1, 1), Rack("US-NC-1", _C, "12.2", 2, 2)),
    "NVIDIA GeForce RTX 4090": (
        Rack("EU-RO-1", _S, "12.8", 6, 8),
        Rack("US-IL-1", _S, "12.9", 4, 8),
        Rack("EUR-IS-2", _S, "12.4", 2, 4),
        Rack("US-TX-3", _C, "12.8", 3, 4),
        Rack("EU-SE-1", _C, "12.1", 2, 2),
    ),
    "NVIDIA GeForce RTX 5090": (Rack("EU-RO-1", _S, "12.8", 3, 8), Rack("EUR-NO-1", _C, "13.0", 2, 4)),
    "NVIDIA RTX A5000": (Rack("EU-SE-1", _S, "12.8", 3, 8), Rack("US-NC-1", _C, "12.4", 2, 4)),
    "NVIDIA  RTX A4500": (Rack("EU-SE-1", _S, "12.6", 1, 4), Rack("US-DE-1", _C, "12.4", 1, 2)),
    "NVIDIA RTX A6000": (
        Rack("EU-SE-1", _S, "12.8", 4, 8),
        Rack("CA-MTL-1", _S, "12.6", 2, 4),
        Rack("US-TX-1", _C, "12.8", 3, 4),
    ),
    "NVIDIA A40": (Rack("EU-SE-1", _S, "12.8", 2, 8), Rack("CA-MTL-1", _C, "12.4", 2, 4)),
    "NVIDIA L4": (Rack("EU-RO-1", _S, "12.8", 2, 4), Rack("US-GA-1", _S, "12.4", 1, 8)),
    "NVIDIA L40": (Rack("EU-NL-1", _S, "12.6", 2, 4), Rack("US-GA-2", _C, "12.6", 1, 4)),
    "NVIDIA L40S": (
        Rack("US-WA-1", _S, "12.8", 4, 8),
        Rack("EU-NL-1", _S, "12.9", 2, 8),
        Rack("US-GA-2", _C, "12.8", 2, 4),
    ),
    "NVIDIA RTX 6000 Ada Generation": (Rack("EU-RO-1", _S, "12.8", 3, 8), Rack("US-TX-4", _C, "12.6", 1, 4)),
    "NVIDIA A100 80GB PCIe": (Rack("US-KS-2", _S, "12.8", 3, 8), Rack("CA-MTL-2", _C, "12.4", 1, 4)),
    "NVIDIA A100-SXM4-80GB": (Rack("US-KS-2", _S, "12.8", 2, 8), Rack("EUR-IS-1", _S, "12.4", 1, 8)),
    "NVIDIA H100 PCIe": (Rack("US-KS-2", _S, "12.8", 2, 8), Rack("CA-MTL-3", _C, "12.8", 1, 2)),
    "NVIDIA H100 NVL": (Rack("US-KS-3", _S, "12.8", 1, 8),),
    "NVIDIA H100 80GB HBM3": (Rack("US-CA-2", _S, "12.8", 4, 8), Rack("EUR-IS-1", _S, "12.9", 2, 8)),
    "NVIDIA H200": (Rack("US-CA-2", _S, "12.8", 1, 8), Rack("EU-FR-1", _S, "13.0", 1, 8)),
    "NVIDIA H200 NVL": (Rack("AP-JP-1", _S, "12.9", 1, 4),),
    "NVIDIA B200": (Rack("US-CA-2", _S, "12.9", 1, 8), Rack("OC-AU-1", _S, "13.0", 1, 8)),
    "NVIDIA RTX PRO 6000 Blackwell Server Edition": (
        Rack("EUR-IS-3", _S, "12.9", 2, 8),
        Rack("US-NC-1", _C, "13.0", 1, 4),
    ),
    # Listed and priced, but without any machine: it can never be rented here, since the sandbox's nvidia-smi imitates
    # NVIDIA's driver only.
    "AMD Instinct MI300X OAM": (),
}

# The driver that reports this CUDA version in nvidia-smi.
DRIVERS: Mapping[str, str] = {
    "12.1": "530.41.03",
    "12.2": "535.230.02",
    "12.4": "550.144.03",
    "12.6": "560.35.05",
    "12.8": "570.172.08",
    "12.9": "575.64.05",
    "13.0": "580.95.05",
}
