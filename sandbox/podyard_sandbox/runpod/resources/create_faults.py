# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The faults of a create, whatever it creates."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from podyard_sandbox.exchange import current
from podyard_sandbox.faults import Faults
from podyard_sandbox.runpod.problems import INTERNAL, DroppedLine, Problem


@contextmanager
def faults_on_create(faults: Faults, operation: str, name: str) -> Iterator[None]:
    """Apply the faults around the creation of an object.

    Raises:
        DroppedLine: before or after it.
        Problem: 500 after it.
    """

    def triggered(fault: str) -> bool:
        if faults.trigger(fault, name=name, operation=operation) is None:
            return False
        current().fault = fault
        return True

    if triggered("create-drops-line-unmade"):
        raise DroppedLine
    yield
    if triggered("create-drops-line"):
        raise DroppedLine
    if triggered("create-500-but-made"):
        raise Problem(500, INTERNAL)
