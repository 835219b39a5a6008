# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that bind a pod to its run: the lease, and the directory of the record."""

from __future__ import annotations


class ModuleDocFragment:
    """The options lease and run_dir."""

    DOCUMENTATION = r"""
options:
  lease:
    description:
      - Hours that a pod lives without a renewal. After that it ends itself, with the key that its provider put into it,
        whatever became of the computer that rented it. V(0), and no value, mean that it has no lease.
      - Each task of this module that logs in renews it (O(wait_for=authenticated) and later), and so does whatever
        M(podyard.gpu.training_progress), M(podyard.gpu.transfer) and M(podyard.gpu.exec) do on the pod. A lease that is
        shorter than the pause between two of them ends the pod in the middle of its work. Meanwhile
        M(podyard.gpu.guard) renews the lease of a run's pod.
      - It counts from the start of the container where the start command is ours to extend, at first for one hour at
        most. Otherwise it counts from the first login. An official image of RunPod keeps its start command. On Vast.ai
        the lease is part of the script that runs at each start, before the one that you give, unless that script would
        become too long or the run type is V(args).
      - RunPod does not document what a pod's own key may do, except that RunPod's own program ends a pod with it. So on
        RunPod the lease is a last resort and no promise.
      - C(/tmp/podyard-lease/log) on the pod says what was tried.
    type: float
  run_dir:
    description:
      - The run's directory on the controller, where the module keeps the ledger of its creates. After a run was given
        back, nothing is rented for it any more.
    type: path
"""
