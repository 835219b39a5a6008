# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Giving a run back at every provider, whatever becomes of one of them."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Callable

from .._core.clock import PollInterval
from .._core.errors import CloudError
from .._providers.base import Provider
from .fence import PATIENCE, RunDir, raise_fence
from .ledger import Ledger
from .progress import Progress
from .terminate import end_known, give_back_run, named, require_gone

Connections = Mapping[str, Callable[[], Provider]]


@dataclass(frozen=True)
class GiveBack:
    """One run that is given back.

    :param prefix: what the names of its pods begin with.
    :param warn: where a sentence goes that a person should read.
    :param end: ends and proves the pods at one provider.
    :param fence_patience: seconds that a create in flight is waited for.
    """

    prefix: str
    run_dir: RunDir
    grace: float
    polls: PollInterval
    progress: Progress
    warn: Callable[[str], None]
    end: Callable[..., list[dict[str, Any]]] = give_back_run
    fence_patience: float = PATIENCE

    def everywhere(self, providers: Connections) -> list[dict[str, Any]]:
        """End the run's pods at every provider, then complain about those that are not proved gone.

        A provider that cannot be asked does not keep the pods at another one.

        :raises CloudError: with what became of all pods in its facts, as ``pods_gone``.
        """
        self._fence_off(providers)
        ledger = Ledger(self.run_dir)
        done: list[dict[str, Any]] = []
        problems: list[CloudError] = []
        for name, connect in providers.items():
            try:
                provider = connect()
                results = self.end(
                    provider, self.prefix, grace=self.grace, ledger=ledger, polls=self.polls, progress=self.progress
                )
                done.extend(results)
                require_gone(provider, results)
            except CloudError as error:
                problems.append(named(error, name, self.prefix, ledger))
            except Exception as error:  # noqa: BLE001 - a mistake in this program must not keep another provider's pods
                odd = CloudError(f"{name}: {type(error).__name__}: {error}.")
                problems.append(named(odd, name, self.prefix, ledger))
        if problems:
            raise together(problems, done)
        return done

    def _fence_off(self, providers: Connections) -> None:
        """Let nothing more be rented for the run.

        While a create is in flight, the known pods are ended first: that create may take long, and its process may be
        frozen.
        """
        try:
            if raise_fence(self.run_dir, patience=0.0):
                return
            self.progress.say("A pod is being ordered for this run: what is known is ended before that is waited for")
            for connect in providers.values():
                # What fails now is tried again afterwards, and reported if it fails again.
                with contextlib.suppress(CloudError):
                    end_known(connect(), self.prefix, ledger=Ledger(self.run_dir), progress=self.progress)
            if not raise_fence(self.run_dir, self.fence_patience):
                self.warn(
                    "A process that was ordering a pod for this run did not end. Should a pod come of it, that process "
                    "ends it; podyard.gpu.status shows whether one is left."
                )
        except (CloudError, OSError) as error:
            # The pods cost money now; that a create may still come is said, and looked for with the grace afterwards.
            self.warn(f"The fence of the run cannot be raised ({error}); make sure that nothing rents for it.")


def together(problems: list[CloudError], done: list[dict[str, Any]]) -> CloudError:
    """Return the first error with the words of all, and what became of all pods."""
    first = problems[0]
    first.reword(" ".join(error.message for error in problems))
    known = {pod["id"] for pod in done}
    left = [pod for error in problems for pod in error.facts.get("pods_gone", []) if pod["id"] not in known]
    first.facts["pods_gone"] = done + left
    return first


def to_result(pods: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the result of a give-back that succeeded."""
    diff = {"before": {"pods": [pod["name"] for pod in pods]}, "after": {"pods": []}}
    return {"changed": bool(pods), "pods": pods, "diff": diff}
