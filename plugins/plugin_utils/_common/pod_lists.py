# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pods of several accounts, all asked at once, for so many seconds at most."""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from ...module_utils._core.errors import CloudError
from ...module_utils._core.threads import begin
from ...module_utils._core.times import parse_time
from ...module_utils._core.units import duration
from ...module_utils._pods.holder import Holder, holder
from ...module_utils._providers import registry
from ...module_utils._providers.base import Provider
from ...module_utils._providers.settings import FILES_VARIABLE

Connect = Callable[[str], Provider]


@dataclass(frozen=True)
class PodList:
    """What one provider answered: its pods in the shape of ``Pod.to_result()``, or ``error``.

    Each pod has ``end``, the command that ends it. ``error`` is a sentence, and then nothing is known of the provider's
    pods. ``clock_ahead`` are the seconds by which the provider's clock is ahead of this machine's, None where it did
    not say.
    """

    provider: str
    pods: tuple[dict[str, Any], ...] = ()
    error: str | None = None
    clock_ahead: float | None = None
    holder: Holder = field(default_factory=Holder)

    def age(self, pod_id: str) -> float | None:
        """Seconds for which a pod of the list has been rented, by its provider's clock alone; None: not known."""
        created = next((parse_time(pod.get("created_at")) for pod in self.pods if pod["id"] == pod_id), None)
        if created is None or self.clock_ahead is None:
            return None
        return max(0.0, (datetime.now(UTC) - created).total_seconds() + self.clock_ahead)


def environment(env_file: str | None) -> dict[str, str]:
    """Where keys are looked for."""
    return {**os.environ, **({FILES_VARIABLE: env_file} if env_file else {})}


def lists(
    names: Iterable[str], environ: Mapping[str, str], seconds: float, connect: Connect | None = None
) -> list[PodList]:
    """Return the complete list of each provider, or why there is none, within `seconds`."""
    found: dict[str, PodList] = {}

    def ask(name: str) -> None:
        try:
            provider = connect(name) if connect else registry.connect(name, environ=environ)
            pods = tuple({**pod.to_result(), "end": provider.end_command(pod.id)} for pod in provider.list_pods())
            found[name] = PodList(name, pods, clock_ahead=provider.clock_ahead, holder=holder(provider))
        except CloudError as error:
            found[name] = PodList(name, error=error.message)
        except Exception as error:  # noqa: BLE001 - one provider's oddity must not hide the pods of the other
            found[name] = PodList(name, error=f"{type(error).__name__}: {error}")

    deadline = time.monotonic() + seconds
    names = list(dict.fromkeys(names))
    threads = [begin(functools.partial(ask, name), f"podyard-list-{name}") for name in names]
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    late = f"gave no complete list of its pods within {duration(seconds)}."
    return [found.get(name) or PodList(name, error=f"{name} {late}") for name in names]
