# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The age of a pod, with the clocks of this machine, of the pod and of the provider hours apart."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from ansible_collections.podyard.gpu.plugins.plugin_utils._common.pod_lists import PodList
from ansible_collections.podyard.gpu.plugins.plugin_utils._follow.age import ASK_AGAIN, PodAge, elapsed

RENTED = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = 3600.0


class World:
    """True time since the rent in seconds, and a machine whose clock is `wrong` seconds ahead of it."""

    def __init__(self, age: float, wrong: float = 0.0, pod_wrong: float = 0.0) -> None:
        self.age, self.wrong, self.pod_wrong = age, wrong, pod_wrong
        self.said: list[str] = []

    def pod_age(self, ask=None, rented_at: datetime | None = RENTED) -> PodAge:
        return PodAge(
            rented_at, self.said.append, ask, clock=lambda: 5000.0 + self.age, now=lambda: self.here(self.wrong)
        )

    def here(self, wrong: float) -> float:
        return RENTED.timestamp() + self.age + wrong

    def found(self, trained: float | None) -> dict[str, object]:
        return {"state": "running", "seconds": trained, "now": self.here(self.pod_wrong)}

    def provider(self) -> tuple[float, float]:
        return self.age, -self.wrong


@pytest.mark.parametrize("wrong", [-5 * HOUR, 5 * HOUR, -60.0])
@pytest.mark.parametrize("asked", [True, False])
def test_a_clock_that_is_wrong_changes_nothing(wrong, asked):
    world = World(2 * HOUR, wrong)
    age = world.pod_age(world.provider if asked else None)
    assert age.seconds(world.found(HOUR)) == pytest.approx(2 * HOUR, abs=61)
    world.age += HOUR
    # Set right meanwhile, as after a night's sleep.
    world.wrong = 0.0
    assert age.seconds(world.found(2 * HOUR)) == pytest.approx(3 * HOUR, abs=61)
    assert len(world.said) == (1 if abs(wrong) > 120 else 0)
    if world.said:
        where = "ahead of" if wrong > 0 else "behind"
        assert f"this machine's clock is 5 h {where} the {'provider' if asked else 'pod'}'s" in world.said[0]


def test_where_nothing_else_is_known_the_training_is_no_older_than_its_pod():
    world = World(2 * HOUR, -5 * HOUR)
    assert world.pod_age().seconds({"state": "running", "seconds": 7200.0}) == 2 * HOUR
    assert "behind the one by which the pod was rented" in world.said[0]
    assert world.pod_age(rented_at=None).seconds({"state": "running", "seconds": 60.0}) == 60
    assert world.pod_age(rented_at=None).seconds({}) == 0


def test_a_training_that_has_ended_has_lived_too():
    world = World(0.0)
    assert world.pod_age(rented_at=None).seconds({"state": "succeeded", "seconds": 60.0}) == 60


def test_a_pod_that_sets_its_clock_back_gains_nothing_from_a_provider_that_answers():
    world = World(2 * HOUR, pod_wrong=-HOUR * 24 * 365)
    assert world.pod_age(world.provider).seconds(world.found(0.0)) == 2 * HOUR


def test_a_machine_that_slept_believes_the_age_of_the_training():
    """Some virtual machines stop even the clock that goes on in sleep."""
    world = World(HOUR)
    clock = [0.0]
    age = PodAge(RENTED, world.said.append, world.provider, clock=lambda: clock[0], now=lambda: world.here(0.0))
    assert age.seconds(world.found(600.0)) == HOUR
    clock[0] += 3.0
    assert age.seconds({"state": "running", "seconds": 600.0 + 5 * HOUR}) == 600.0 + 5 * HOUR


def test_a_training_of_an_earlier_pod_says_nothing():
    world = World(60.0)
    assert world.pod_age().seconds({"state": "lost", "seconds": 9 * HOUR, "now": world.here(0.0)}) == 60


def test_a_provider_that_gives_no_answer_is_asked_again_now_and_then():
    world = World(0.0, -5 * HOUR)
    asked = []

    def ask():
        asked.append(world.age)
        return world.provider() if len(asked) == 3 else None

    age = world.pod_age(ask)
    for _look in range(600):
        assert age.seconds(world.found(world.age)) == pytest.approx(world.age)
        world.age += 5.0
    assert asked == [0.0, ASK_AGAIN, 3 * ASK_AGAIN]


def test_time_passes():
    assert 0 <= elapsed() <= elapsed()


def test_a_list_of_pods_tells_their_age_by_the_providers_clock():
    created = (datetime.now(UTC) + timedelta(hours=5)).isoformat()
    pods = ({"id": "7", "created_at": created}, {"id": "8", "created_at": None})
    assert PodList("runpod", pods, clock_ahead=6 * HOUR).age("7") == pytest.approx(HOUR, abs=5)
    assert PodList("runpod", pods).age("7") is None
    assert PodList("runpod", pods, clock_ahead=0.0).age("8") is None
