# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The query language: as text and as a mapping, in people's units."""

from __future__ import annotations

import pytest

from ansible_collections.podyard.gpu.plugins.module_utils._core.errors import BadRequest
from ansible_collections.podyard.gpu.plugins.module_utils._providers.vastai.query import countries, filters, parse


def test_text_and_mapping_say_the_same():
    text = filters(
        "num_gpus=2 gpu_ram>=24 duration>3 geolocation in [US,CA] gpu_name=RTX_4090 verified=any reliability>0.9"
    )
    assert text == filters(
        {
            "num_gpus": 2,
            "gpu_ram": {"gte": 24},
            "duration": {"gt": 3},
            "geolocation": ["US", "CA"],
            "gpu_name": "RTX 4090",
            "verified": None,
            "reliability": {"gt": 0.9},
        }
    )
    assert text == {
        "num_gpus": {"eq": 2},
        "gpu_ram": {"gte": 24000},
        "duration": {"gt": 259200},
        "geolocation": {"in": ["US", "CA"]},
        "gpu_name": {"eq": "RTX 4090"},
        "verified": None,
        "reliability2": {"gt": 0.9},
    }


def test_all_operators_are_known():
    query = "a=1 b==1 c!=1 d>1 e>=1 f<1 g<=1 h in [1,2] i notin [1] j not in [1] k nin [1]"
    assert [next(iter(each)) for each in parse(query).values()] == [
        *("eq", "eq", "neq", "gt", "gte", "lt", "lte", "in", "notin", "notin", "notin")
    ]
    assert filters("cpu_ram>=32 cpu_ram<64") == {"cpu_ram": {"gte": 32000, "lt": 64000}}
    assert filters('cpu_name="EPYC 7543"') == {"cpu_name": {"eq": "EPYC 7543"}}
    assert filters(None) == filters("") == {}


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ("gpu_rma>=24", "no field 'gpu_rma'; the closest are: gpu_ram"),
        ({"gpu_ram": {"above": 3}}, "operator 'above' of the field gpu_ram does not exist"),
        ("gpu_ram>=much", "gpu_ram is a number, not 'much'"),
        ("verified=perhaps", "verified is true or false"),
        ("geolocation=EU", r"'EU' \(field geolocation\) is not a country's code.* name the region europe"),
        ("geolocation=Atlantis", r"'Atlantis' \(field geolocation\) is neither a country nor a region"),
        ("reliability>=high", "The field reliability is a number"),
        ("gpu_ram>= num_gpus", "gpu_ram is a number"),
        ("=3", "cannot be read at '=3'"),
        ("num_gpus", "cannot be read at 'num_gpus'"),
        ({"gpu_ram": {"gte": [1, 2]}}, "takes one value"),
        ("driver_version>=new", "written like 535.86.05"),
        ("driver_version>=535.1234", "written like 535.86.05"),
        ("driver_version>=1.2.3.4", "written like 535.86.05"),
    ],
)
def test_what_does_not_exist_is_one_sentence(given, why):
    with pytest.raises(BadRequest, match=why):
        filters(given)


def test_the_words_of_the_vendors_tool_are_taken():
    assert filters("dph<0.5 cuda_vers>=12.4 id=7 driver_version>=535.86.05 gpu_totalram>40 static_ip=true") == {
        "dph_total": {"lt": 0.5},
        "cuda_max_good": {"gte": 12.4},
        # Filters by id find nothing.
        "ask_contract_id": {"eq": 7},
        "driver_version": {"gte": 535086005},
        "gpu_total_ram": {"gt": 40000},
        "static_ip": {"eq": True},
    }


def test_regions_are_lists_of_countries():
    assert countries(["us", "DE"]) == ["US", "DE"]
    assert {"DE", "FR", "SE"} <= set(countries(["Europe"]))
    assert countries(["north-america", "US"]).count("US") == 1
    assert filters("geolocation=oceania")["geolocation"]["in"] == ["AU", "FJ", "NC", "NZ", "PG"]
