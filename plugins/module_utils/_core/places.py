# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Countries and regions of the world, as people name them in options. Pure functions.

Source: the two-letter codes that ISO 3166-1 assigns officially, and XK, a user-assigned code that is used for Kosovo.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping

from .errors import BadRequest

_ASSIGNED = """
    AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ
    CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR
    GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO
    JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR
    MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO
    RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV
    TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS XK YE YT ZA ZM ZW
"""
CODES = frozenset(_ASSIGNED.split())
#: Regions of the world as lists of countries, the same as in Vast.ai's own command-line tool.
REGIONS: Mapping[str, tuple[str, ...]] = {
    name: tuple(codes.split())
    for name, codes in {
        "africa": "DZ AO BJ BW CM CI EG ET GH KE MA MU MZ NA NG RW SN ZA TN TZ UG ZM ZW",
        "asia": "AE AM AZ BD BH GE HK ID IL IN JO JP KG KH KR KW KZ LA LK MN MO MY NP OM PH PK QA SA SG TH TR TW UZ VN",
        "europe": "AD AL AT BA BE BG BY CH CY CZ DE DK EE ES FI FR GB GR HR HU IE IS IT LI LT LU LV MC MD ME MK MT NL "
        "NO PL PT RO RS SE SI SK SM UA XK",
        "north_america": "BB BS CA CR CU DO GT HN JM MX NI PA PR SV US",
        "oceania": "AU FJ NC NZ PG",
        "south_america": "AR BO BR CL CO EC GY PE PY SR UY VE",
    }.items()
}
#: Wrong codes that people write often, and what to write instead.
_MISTAKES = {
    "UK": "the United Kingdom is GB",
    "EU": "name the region europe, or countries by their two letters, such as DE",
}


def of(word: str, where: str = "option regions") -> tuple[str, ...] | None:
    """Return the countries that a word means: a country's code, or the name of a region.

    :param where: the option or field that the word comes from, for the message.
    :returns: codes; None for a word that is neither, and so perhaps a place of one provider.
    :raises BadRequest: for two letters that are not a country's code.
    """
    code = word.strip().upper()
    region = REGIONS.get(code.lower().replace(" ", "_").replace("-", "_"))
    if region is not None:
        return region
    if len(code) != 2 or not code.isalpha():
        return None
    if code in CODES:
        return (code,)
    hint = _MISTAKES.get(code) or f"the closest codes are: {', '.join(closest(code))}"
    raise BadRequest(
        f"{word!r} ({where}) is not a country's code in ISO 3166; {hint}. The regions {', '.join(REGIONS)} work too."
    )


def sort(words: Iterable[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Split the words of the option regions into countries' codes and places that only a provider can know.

    :returns: both in order and without repetition; a region of the world becomes its countries.
    :raises BadRequest: for two letters that are not a country's code.
    """
    countries: dict[str, None] = {}
    others: dict[str, None] = {}
    for word in words:
        codes = of(word)
        if codes is None:
            others[word.strip().upper()] = None
        else:
            countries.update(dict.fromkeys(codes))
    return tuple(countries), tuple(others)


def closest(code: str) -> list[str]:
    """Return up to three codes that resemble one that does not exist."""
    return difflib.get_close_matches(code, sorted(CODES), n=3, cutoff=0.4) or ["US", "DE", "GB"]


def holds(words: Iterable[str], region: str) -> bool:
    """Return whether a pod's region is in one of these places.

    :param region: a country's code, or a data centre such as ``EU-RO-1`` or ``US-TX-3``. It names its country first, or
        after its part of the world.
    """
    countries, others = sort(words)
    parts = region.upper().split("-")
    # In these the second part is a state, which looks like a country's code.
    told = parts[:1] if parts[0] in ("US", "CA") else parts[:2]
    return region.upper() in others or any(part in countries for part in told)
