#!/usr/bin/env bash
# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# train.sh: a real training on a pod of the sandbox, as a new run. PROVIDER chooses whose, ARGS goes to ansible-playbook.

source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

scripts/setup.sh train
export PATH="$ROOT/.venv/bin:$PATH"

# Vast.ai wants pauses of seconds between two requests; here both sides keep a twentieth of them.
export PODYARD_VAST_THRESHOLD_SCALE=0.05
podyard-sandbox up --wheels .cache/wheels --vast-limits "$PODYARD_VAST_THRESHOLD_SCALE"
with_lock data .venv/bin/python examples/digits/make_data.py
# Tells the collection where the API is and which key it takes.
eval "$(podyard-sandbox env)"

# Seconds fit for pods that come up at once and an API on this machine; with real pods the defaults are right.
# ARGS comes last, so that it wins; it is read as the shell reads it, quotes and all.
eval "set -- ${ARGS:-}"
# The paths in the job are relative to its own directory; the runs are kept in the clone's.
cd "$ROOT/examples/digits" || exit
export ANSIBLE_CONFIG="$ROOT/ansible.cfg"
exec ansible-playbook "$ROOT/playbooks/train.yml" -e @job.yml -e "{\"train_runs_dir\": \"$ROOT/runs\"}" \
    -e train_poll_interval=0.5 -e train_consistency_grace=3 -e "train_providers=${PROVIDER:-runpod}" "$@"
