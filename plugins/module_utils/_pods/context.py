# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every step of a pod's life needs beside the pod."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Callable

from .._core.clock import PollInterval
from .._core.pod import Pod
from .._providers.base import Provider
from .fence import RunDir
from .ledger import Ledger
from .progress import Progress
from .terminate import GRACE, terminate_and_prove


@dataclass(frozen=True)
class PodContext:
    """Hold one provider, the clock, and where the run keeps its books.

    :param grace: seconds after a create for which the provider may not show the pod yet.
    :param run_dir: where the run's fence and ledger are; None: there is no run.
    :param halt: asked right before a create is sent; it raises what ends the work.
    """

    provider: Provider
    polls: PollInterval = field(default_factory=PollInterval)
    progress: Progress = field(default_factory=Progress)
    run_dir: RunDir = None
    grace: float = GRACE
    halt: Callable[[], None] = lambda: None

    @property
    def ledger(self) -> Ledger:
        """The run's ledger."""
        return Ledger(self.run_dir)

    def end(self, pods: Sequence[Pod], *, settle: float = 0.0) -> list[dict[str, Any]]:
        """End pods and prove it; see ``terminate_and_prove``."""
        return terminate_and_prove(
            self.provider, pods, polls=self.polls, progress=self.progress, ledger=self.ledger, settle=settle
        )
