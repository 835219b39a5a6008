# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The query language of Vast.ai's offers: as a mapping and as the text of the vendor's own tool.

Values are in people's units. Pure functions.

Sources: Vast.ai's description of its API and its own command line tool.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from typing import Any

from ..._core import places
from ..._core.errors import BadRequest
from ..._core.units import whole_version

OPERATORS = ("eq", "neq", "gt", "gte", "lt", "lte", "in", "notin")
#: Field -> factor from the unit of people (GB, days) to the wire's (MB, seconds). The factor is 1000 and not 1024: a
#: card of 24 GB reports 24564 MB.
FACTORS: Mapping[str, float] = {"gpu_ram": 1000, "gpu_total_ram": 1000, "cpu_ram": 1000, "duration": 86400}


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_NUMBERS = _words(
    """bw_nvlink compute_cap cpu_cores cpu_cores_effective cpu_ghz cpu_ram cuda_max_good direct_port_count disk_bw
    disk_space dlperf dlperf_per_dphtotal dph_total dph_base duration flops_per_dphtotal gpu_frac gpu_max_power
    gpu_max_temp gpu_mem_bw gpu_ram gpu_total_ram inet_down inet_down_cost inet_up inet_up_cost
    internet_down_cost_per_tb internet_up_cost_per_tb min_bid num_gpus pci_gen pcie_bw reliability2 storage_cost
    total_flops score vericode expected_reliability"""
)
_IDS = _words("ask_contract_id bundle_id machine_id host_id cluster_id")
_FLAGS = _words("verified rentable rented external datacenter static_ip vms_enabled has_avx gpu_display_active")
_TEXTS = _words(
    """gpu_name gpu_arch cpu_arch cpu_name geolocation driver_version mobo_name os_version hosting_type verification"""
)
FIELDS = frozenset((*_NUMBERS, *_IDS, *_FLAGS, *_TEXTS))
#: Other spellings. ``id`` is one too: the service takes it and then finds nothing.
ALIASES: Mapping[str, str] = {
    "dph": "dph_total",
    "dphtotal": "dph_total",
    "cuda_vers": "cuda_max_good",
    "dlperf_usd": "dlperf_per_dphtotal",
    "flops_usd": "flops_per_dphtotal",
    "display_active": "gpu_display_active",
    "gpu_totalram": "gpu_total_ram",
    "reliability": "reliability2",
    "target_reliability": "expected_reliability",
    "ubuntu_version": "os_version",
    "id": "ask_contract_id",
}
_SIGNS = {
    "=": "eq", "==": "eq", ":": "eq", "!=": "neq", ">": "gt", ">=": "gte", "<": "lt", "<=": "lte",
    "in": "in", "notin": "notin", "nin": "notin", "not in": "notin", "eq": "eq", "neq": "neq", "noteq": "neq",
    "not eq": "neq", "gt": "gt", "gte": "gte", "lt": "lt", "lte": "lte",
}  # fmt: skip
_PAIR = re.compile(
    r"\s*(?P<field>[A-Za-z]\w*)\s*(?P<sign>not\s+in|not\s+eq|notin|nin|noteq|neq|in|eq|gte|lte|gt|lt|>=|<=|==|!=|=|>|<|:)\s*"
    r"(?P<value>\[[^\]]*\]|\"[^\"]*\"|'[^']*'|[^\s\[\]\"']+)\s*"
)
_ANY = ("any", "*", "?")


def parse(query: str) -> dict[str, dict[str, Any]]:
    """Parse the text ``num_gpus=1 gpu_ram>=24 geolocation in [US,CA]`` as a mapping; ``field=any`` means no filter.

    :raises BadRequest: at the first place that cannot be read.
    """
    found: dict[str, dict[str, Any]] = {}
    place = 0
    while query[place:].strip():
        match = _PAIR.match(query, place)
        if match is None:
            raise BadRequest(
                f"The search cannot be read at {query[place:].strip()[:40]!r}: it consists of a field, an operator "
                "(= != > >= < <= in notin) and a value each, such as gpu_ram>=24 or geolocation in [US,CA]."
            )
        operator = _SIGNS[" ".join(match["sign"].split())]
        value: Any = match["value"]
        if value.startswith("["):
            value = [_plain(each) for each in value[1:-1].split(",") if each.strip()]
        else:
            value = _plain(value)
        found.setdefault(match["field"], {})[operator] = value
        place = match.end()
    return found


def _plain(value: str) -> str:
    return value.strip().strip("\"'")


def filters(given: Mapping[str, Any] | str | None) -> dict[str, dict[str, Any] | None]:
    """Return filters in their wire form; a field that is None has no filter, not even the default one.

    :param given: fields -> {operator: value}, or a plain value that the field must equal, or a list of such; or text.
    :raises BadRequest: for a field, an operator or a value that the service does not know.
    """
    raw = parse(given) if isinstance(given, str) else given or {}
    made: dict[str, dict[str, Any] | None] = {}
    for name, wanted in raw.items():
        field = field_of(str(name))
        conditions = _conditions(field, wanted)
        if conditions is None:
            made[field] = None
        else:
            made[field] = {**(made.get(field) or {}), **conditions}
    return made


def field_of(name: str) -> str:
    """Return the wire's name of a field.

    :raises BadRequest: for one that does not exist, with the closest ones.
    """
    field = ALIASES.get(name, name)
    if field not in FIELDS:
        known = sorted({*FIELDS, *ALIASES})
        close = difflib.get_close_matches(name, known, n=3, cutoff=0.5) or known
        raise BadRequest(f"Vast.ai's offers have no field {name!r}; the closest are: {', '.join(close)}.")
    return field


def spelled(field: str) -> str:
    """Return a field as people are used to write it."""
    return {"reliability2": "reliability"}.get(field, field)


def _conditions(field: str, wanted: Any) -> dict[str, Any] | None:
    if wanted is None or (isinstance(wanted, str) and wanted.lower() in _ANY):
        return None
    if isinstance(wanted, (list, tuple)):
        wanted = {"in": list(wanted)}
    elif not isinstance(wanted, Mapping):
        wanted = {"eq": wanted}
    if set(wanted) == {"eq"} and isinstance(wanted["eq"], str) and wanted["eq"].lower() in _ANY:
        return None
    return dict(_condition(field, str(operator), value) for operator, value in wanted.items())


def _condition(field: str, operator: str, value: Any) -> tuple[str, Any]:
    sign = _SIGNS.get(" ".join(operator.split()), "")
    if sign not in OPERATORS:
        raise BadRequest(
            f"The operator {operator!r} of the field {spelled(field)} does not exist; there are: "
            f"{', '.join(OPERATORS)}, and as text = != > >= < <= in notin."
        )
    if sign in ("in", "notin"):
        values = value if isinstance(value, (list, tuple)) else [value]
        found = [one for each in values for one in _values(field, each)]
        return sign, found
    if isinstance(value, (list, tuple, Mapping)):
        raise BadRequest(
            f"The operator {sign} of the field {spelled(field)} takes one value, not {value!r}; use the operator "
            "in for a list."
        )
    values = _values(field, value)
    if len(values) > 1:
        return {"eq": "in", "neq": "notin"}.get(sign, sign), values
    return sign, values[0]


def _values(field: str, value: Any) -> list[Any]:
    """One value as the wire wants it; a region is many."""
    if field == "geolocation":
        return countries([str(value)], "field geolocation")
    if field in _FLAGS:
        return [_flag(field, value)]
    if field in _NUMBERS or field in _IDS:
        return [_number(field, value)]
    if field == "driver_version":
        number = driver_number(value)
        if number is None:
            raise BadRequest(f"The field driver_version is written like 535.86.05, not {str(value)!r}.")
        return [number]
    # The vendor's text form has underscores for blanks.
    return [str(value).replace("_", " ")]


def _flag(field: str, value: Any) -> bool:
    text = str(value).lower()
    if text not in ("true", "false", "yes", "no", "1", "0"):
        raise BadRequest(f"The field {spelled(field)} is true or false, not {value!r}.")
    return text in ("true", "yes", "1")


def _number(field: str, value: Any) -> Any:
    if isinstance(value, str) and value.lower() in ("none", "null"):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise BadRequest(f"The field {spelled(field)} is a number, not {value!r}.") from None
    number *= FACTORS.get(field, 1)
    return int(number) if number.is_integer() else number


def driver_number(version: Any) -> int | None:
    """Return ``535.86.05`` as the number that the service compares; None for what is no version."""
    parts = whole_version(str(version))
    if parts is None or len(parts) > 3 or max(parts) > 999:
        return None
    major, minor, patch = (*parts, 0, 0)[:3]
    return (major * 1000 + minor) * 1000 + patch


def countries(words: list[str] | tuple[str, ...], where: str = "option regions") -> list[str]:
    """Codes of countries for codes and names of regions, each once; ``where`` names their place in messages.

    :raises BadRequest: for a word that is neither.
    """
    found: list[str] = []
    for word in words:
        codes = places.of(word, where)
        if codes is None:
            raise BadRequest(
                f"{word!r} ({where}) is neither a country nor a region: Vast.ai's machines are found by a country's "
                f"two letters, such as US or DE, or by one of: {', '.join(places.REGIONS)}."
            )
        found += codes
    return list(dict.fromkeys(found))
