# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The data centres: id, name, country, region, volumes, networking, certificates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class DataCenter:
    """A data centre as the catalogue shows it, and the country by which ``countryCodes`` finds it."""

    id: str
    name: str
    country: str
    region: str
    global_network: bool
    volume_types: tuple[str, ...]
    compliance: tuple[str, ...]


# fmt: off
_GLOBAL = {
    "CA-MTL-3", "EU-CZ-1", "EU-FR-1", "EU-NL-1", "EU-RO-1", "EU-SE-1", "EUR-IS-2", "OC-AU-1", "US-CA-2", "US-GA-1",
    "US-GA-2", "US-IL-1", "US-KS-2", "US-NC-1", "US-TX-3", "US-TX-4", "US-WA-1",
}
# fmt: on
_FAST_VOLUMES = {"EU-RO-1", "EU-CZ-1", "US-KS-2", "US-CA-2"}
_NO_VOLUMES = {"US-TX-1", "US-TX-4", "CA-MTL-2", "EUR-IS-3"}
_AMERICA = "NORTH_AMERICA"
_REGIONS = {"EU": "EUROPE", "EUR": "EUROPE", "US": _AMERICA, "CA": _AMERICA, "OC": "OCEANIA", "AP": "ASIA"}

_NAMES = {
    "EU-RO-1": ("EU Romania 1", "RO"),
    "CA-MTL-1": ("CA Montreal 1", "CA"),
    "EU-SE-1": ("EU Sweden 1", "SE"),
    "US-IL-1": ("US Illinois 1", "US"),
    "EUR-IS-1": ("EUR Iceland 1", "IS"),
    "EU-CZ-1": ("EU Czechia 1", "CZ"),
    "US-TX-3": ("US Texas 3", "US"),
    "EUR-IS-2": ("EUR Iceland 2", "IS"),
    "US-KS-2": ("US Kansas 2", "US"),
    "US-GA-2": ("US Georgia 2", "US"),
    "US-WA-1": ("US Washington 1", "US"),
    "US-TX-1": ("US Texas 1", "US"),
    "CA-MTL-3": ("CA Montreal 3", "CA"),
    "EU-NL-1": ("EU Netherlands 1", "NL"),
    "US-TX-4": ("US Texas 4", "US"),
    "US-CA-2": ("US California 2", "US"),
    "US-NC-1": ("US North Carolina 1", "US"),
    "OC-AU-1": ("OC Australia 1", "AU"),
    "US-DE-1": ("US Delaware 1", "US"),
    "EUR-IS-3": ("EUR Iceland 3", "IS"),
    "CA-MTL-2": ("CA Montreal 2", "CA"),
    "AP-JP-1": ("AP Japan 1", "JP"),
    "EUR-NO-1": ("EUR Norway 1", "NO"),
    "EU-FR-1": ("EU France 1", "FR"),
    "US-KS-3": ("US Kansas 3", "US"),
    "US-GA-1": ("US Georgia 1", "US"),
}


def _data_center(place: str) -> DataCenter:
    name, country = _NAMES[place]
    volumes: tuple[str, ...] = () if place in _NO_VOLUMES else ("STANDARD",)
    if place in _FAST_VOLUMES:
        volumes += ("HIGH_PERFORMANCE",)
    region = _REGIONS[place.split("-")[0]]
    compliance = ("GDPR", "ISO_IEC_27001", "SOC_2_TYPE_2") if region == "EUROPE" else ("SOC_2_TYPE_2", "ISO_IEC_27001")
    return DataCenter(place, name, country, region, place in _GLOBAL, volumes, compliance)


DATA_CENTERS: Mapping[str, DataCenter] = {place: _data_center(place) for place in _NAMES}
