# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a failed attempt was due to, and whether a bad host is replaced."""

from __future__ import annotations

import math

import pytest

from ansible_collections.podyard.gpu.plugins.module_utils._core import errors
from ansible_collections.podyard.gpu.plugins.module_utils._pods.replacement import (
    HOST,
    OFFER,
    PROVIDER,
    REFUSED,
    Fault,
    fault_of,
    replaces_host,
)

UNCLEAR = errors.BadRequest("no", elsewhere="once")


@pytest.mark.parametrize("made", [True, False])
@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize(
    "error", [errors.WaitTimeout("late", stage="rented"), errors.PodLost("failed", stage="rented")]
)
def test_a_pod_that_does_not_get_ready_is_its_hosts_fault(error, strict, made):
    assert fault_of(error, made=made, unclear=0, strict=strict) == Fault(HOST, given_up=True)


@pytest.mark.parametrize("code", [errors.EVERYWHERE, errors.OVERDUE])
def test_what_would_happen_on_any_host_is_not_tried_on_another(code):
    fault = fault_of(errors.PodLost("no shell", stage="rented", code=code), made=True, unclear=0, strict=True)
    assert fault.given_up
    assert fault.everywhere
    assert not replaces_host(5, math.inf, everywhere=fault.everywhere)


@pytest.mark.parametrize(
    ("error", "strict", "made", "fault"),
    [
        (errors.TooExpensive("dear"), True, True, Fault(OFFER, given_up=True)),
        (errors.TooExpensive("dear"), True, False, Fault(REFUSED)),
        (errors.TooExpensive("dear"), False, True, Fault(REFUSED)),
        (errors.Conflict("another"), True, True, Fault(OFFER, given_up=True)),
        (errors.Conflict("another"), False, True, Fault(PROVIDER)),
        (errors.WrongContract("on demand"), False, True, Fault(OFFER, given_up=True)),
        (errors.WrongContract("on demand"), False, False, Fault(REFUSED)),
    ],
)
def test_a_contract_that_was_not_asked_for_is_the_offers_fault_once_there_is_a_pod(error, strict, made, fault):
    assert fault_of(error, made=made, unclear=0, strict=strict) == fault


@pytest.mark.parametrize(("unclear", "blame"), [(1, REFUSED), (2, PROVIDER)])
def test_a_second_refusal_that_does_not_say_why_closes_the_provider(unclear, blame):
    assert fault_of(UNCLEAR, made=False, unclear=unclear, strict=True) == Fault(blame)


def test_what_no_other_offer_can_mend_closes_the_provider():
    assert fault_of(errors.PaymentRequired("no"), made=False, unclear=0, strict=True) == Fault(PROVIDER)


@pytest.mark.parametrize(
    ("attempts", "seconds", "replaced"),
    [(1, 0.1, True), (1, math.inf, True), (0, 9.0, False), (-1, 9.0, False), (1, 0.0, False)],
)
def test_a_bad_host_is_replaced_as_long_as_attempts_and_time_are_left(attempts, seconds, replaced):
    assert replaces_host(attempts, seconds) is replaced
