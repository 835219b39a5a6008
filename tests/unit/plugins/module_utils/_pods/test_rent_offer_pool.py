# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The offers that several threads take from."""

from __future__ import annotations

from dataclasses import replace

from ansible_collections.podyard.gpu.plugins.module_utils._pods.rent import MOST_REFUSED, OfferPool
from ansible_collections.podyard.gpu.tests.unit.fakes.cloud import offer

MACHINES = [offer(id=f"o{n}", host=f"m{n // 2}", region="SE") for n in range(6)]


def test_a_machines_offer_is_taken_once_by_whoever_comes_first():
    supply = OfferPool(MACHINES)
    assert [supply.take().id for _each in MACHINES] == [each.id for each in MACHINES]
    assert supply.take() is None


def test_an_offer_of_many_machines_stays_until_it_is_refused():
    many = offer("A40")
    supply = OfferPool([many])
    assert supply.take() is supply.take() is many
    supply.refused(many)
    assert supply.take() is None


def test_of_a_bad_machine_no_offer_is_left():
    told = []
    supply = OfferPool(MACHINES, remember=lambda *what: told.append(what))
    bad = supply.take()
    supply.failed(bad, "SE", "DEAD")
    assert supply.take().id == "o2"
    assert told == [(bad, "SE", "DEAD")]


def test_what_others_have_refused_counts_for_all():
    supply = OfferPool([offer(id=f"o{n}") for n in range(3 * MOST_REFUSED)], lambda closed: [offer(id="new")], pods=2)
    for _each in range(2 * MOST_REFUSED):
        supply.refused(supply.take())
    assert supply.take().id == "new"


def test_the_second_search_leaves_out_what_was_had_and_what_is_bad():
    found = [*MACHINES, offer(id="new", host="m9"), offer(id="other", host="m0")]
    supply = OfferPool(MACHINES[:2], lambda closed: found)
    first = supply.take()
    supply.failed(first, "SE", "DEAD")
    assert [each.id for each in iter(supply.take, None)] == ["o1", "o2", "o3", "o4", "o5", "new"][1:]


def test_a_closed_provider_is_not_asked_again():
    asked = []
    elsewhere = replace(offer("A40"), provider="two")
    supply = OfferPool([offer(), elsewhere], lambda closed: asked.append(closed) or [offer("L40S")])
    assert supply.close("fake")
    assert supply.take() is elsewhere
    supply.refused(elsewhere)
    supply.take()
    assert asked == [frozenset({"fake"})]


def test_where_nothing_is_left_a_closed_provider_is_the_end():
    assert OfferPool([offer()]).close("fake") is False
