#!/usr/bin/python
# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action plugin podyard.gpu.plan, which runs on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: plan
short_description: Say what a training would rent, send and cost, before anything is rented
version_added: 0.1.0
author: podyard.gpu contributors (@podyard)
description:
  - Asks the providers for the balance, the existing pods and the present offers, measures code and data, compares all
    of that with the limits, and shows it as a table on the screen.
  - Fails for everything that would fail later, with a sentence for each reason. Anything that is only doubtful is a
    warning.
  - Rents nothing, changes nothing, and writes nothing but O(path) and this collection's own cache and lock files. It
    counts the files of code and data; in check mode it does not read them.
options:
  pod:
    description:
      - The pod that would be rented, as options of M(podyard.gpu.pod). What is not given has that module's default.
      - With a O(podyard.gpu.pod#module:name) the plan says whether there is a pod of that name already.
      - The CUDA version in the tag of the image, such as C(cu1281) or C(cuda12.4.1), is compared with the hosts on
        offer and with O(podyard.gpu.pod#module:min_cuda_version).
    type: dict
    default: {}
  run_directory:
    description:
      - The directory of the run, to see whether it has ended already.
    type: path
  title:
    description:
      - What the plan is for.
    type: str
    default: training
  max_cost:
    description:
      - The most that the whole run may cost, in USD. Unset means no limit.
    type: float
  max_hours:
    description:
      - The most hours that the pod may live; the cost is estimated for these. Unset means no limit, and the cost of an
        hour.
    type: float
  image_gb:
    description:
      - How much the host has to download for the image, in GB. Unset means an assumed 10.
    type: float
  output_gb:
    description:
      - How much the training writes, in GB. Unset means an assumed 5, for which nothing is refused.
    type: float
  code:
    description:
      - The directory with the code, on the controller.
    type: path
  code_exclude:
    description:
      - What of O(code) is not sent, as in O(podyard.gpu.transfer#module:exclude).
    type: list
    elements: str
    default: []
  dataset:
    description:
      - The directory with the data, on the controller.
    type: path
  dataset_exclude:
    description:
      - What of O(dataset) is not sent, as in O(podyard.gpu.transfer#module:exclude).
    type: list
    elements: str
    default: []
  bandwidth:
    description:
      - What this machine can send, in Mbit/s. Unset means an assumed 50.
    type: float
  command:
    description:
      - The command that trains, to be shown.
    type: str
    default: ""
  artifacts:
    description:
      - Patterns of the results that are fetched, to be shown. Empty means all of the output.
    type: list
    elements: str
    default: []
  artifacts_max_gb:
    description:
      - The most that is fetched without having been named, in GB, to be shown.
    type: float
    default: 20
  ready_when:
    description:
      - What shows that the image's set-up is done, to be shown.
    type: str
  files:
    description:
      - Places on the pod of the files that are rendered from templates, to be shown.
    type: list
    elements: str
    default: []
  settings:
    description:
      - Lines on the settings of the environment in effect, to be shown.
    type: list
    elements: str
    default: []
  prefix:
    description:
      - The prefix of the options' names where the user gave them, such as V(train_), for the remedies in messages.
    type: str
    default: ""
  pod_prefix:
    description:
      - The same for the options of the pod. If not given, O(prefix) and C(pod.), for they are in O(pod).
    type: str
  path:
    description:
      - The file to write the plan to, as JSON. Its directory is created. Written in check mode too, and when the plan
        is refused. Unset means no file.
    type: path
requirements:
  - rich for the table's form; without it, it is plain text
extends_documentation_fragment:
  - podyard.gpu.attributes
  - podyard.gpu.api
attributes:
  check_mode:
    support: full
    details: It is the same, but that code and data are not hashed.
  diff_mode:
    support: none
    details: Nothing is changed.
  idempotent:
    support: full
seealso:
  - module: podyard.gpu.offer_info
  - module: podyard.gpu.account_info
  - module: podyard.gpu.tree_info
"""

EXAMPLES = r"""
- name: What would it cost
  podyard.gpu.plan:
    pod:
      gpus: [RTX 4090, L40S]
      image: runpod/pytorch:1.0.2-cu1281-torch280-ubuntu2404
      max_price: 0.80
    max_hours: 6
    code: .
  register: planned

- name: Show the estimate for the offer that would be tried first
  ansible.builtin.debug:
    msg: "USD {{ planned.plan.estimate.usd }} for {{ planned.plan.estimate.hours }} hours"
"""

RETURN = r"""
plan:
  description: The plan, as written to O(path). Money is in USD, sizes in GB where the name does not say bytes.
  returned: success
  type: dict
  contains:
    schema:
      description: The version of the plan's format. A new number means that a field was removed or changed its meaning.
      type: int
      sample: 1
    created_at:
      description: When it was made.
      type: str
      sample: "2026-07-15T14:00:00.000Z"
    title:
      description: What it is for.
      type: str
    credentials:
      description: Of each C(provider) the C(name) of the key's variable and the C(place) where it was found.
      type: list
      elements: dict
    accounts:
      description:
        - Of each provider the balance, the spending and its limit (V(none) where it does not say, and why in C(note)),
          the number of pods that are there, C(usd_per_hour) and C(first_hour_usd) of its cheapest offer, and C(usd) for
          all the hours on the one that is tried first.
      type: list
      elements: dict
    pod:
      description: What is asked for.
      type: dict
    offers:
      description:
        - The first ten offers that fit, over all providers in the order in which they are tried, as in
          RV(podyard.gpu.offer_info#module:offers), each with an C(estimate) as RV(plan.estimate).
        - Offers of one machine that differ in nothing that counts are one of the ten, and C(alike) is how many.
      type: list
      elements: dict
    offers_fitting:
      description: How many fit.
      type: int
    notes:
      description: Requirements that are not tried at some provider, and why.
      type: list
      elements: str
    estimate:
      description: What the run costs on the first offer; V(none) without one. A value in it that no provider reports is
        V(none).
      type: dict
      contains:
        usd_per_hour:
          description: GPU and disk of a pod that runs.
          type: float
        gpu_usd_per_hour:
          description: The GPUs.
          type: float
        disk_usd_per_hour:
          description: The disks, billed from the order to the end.
          type: float
        traffic_usd:
          description: Image, code and data to the pod, and outputs from it.
          type: float
        loading_seconds:
          description: Time to load the image.
          type: float
        loading_usd:
          description: What that costs.
          type: float
        push_seconds:
          description: Time to send code and data.
          type: float
        push_usd:
          description: What that costs.
          type: float
        first_hour_usd:
          description: The first hour, with everything that is sent to the pod.
          type: float
        hours:
          description: O(max_hours).
          type: float
        usd:
          description: What all these hours cost, with all traffic.
          type: float
        gpu_usd:
          description: The GPUs' share of it.
          type: float
        disk_usd:
          description: The disks' share of it.
          type: float
        hours_at_most:
          description: When the first of the limits ends the run.
          type: float
        usd_at_most:
          description: What it has cost then.
          type: float
    usd_per_hour_at_most:
      description: The most expensive of all offers that fit.
      type: float
    usd_at_most:
      description: What the run costs at most, on the most expensive offer; V(none) without a limit.
      type: float
    hours_at_most:
      description: The hours until the first limit, on the most expensive offer; V(none) without a limit.
      type: float
    balance_usd:
      description: What is known of all balances together; V(none) when nothing is.
      type: float
    code:
      description: Its C(path), C(files), C(bytes), C(largest_bytes), and C(special), which is not sent.
      type: dict
    dataset:
      description: The same of the data.
      type: dict
    transfer:
      description: C(bytes) in C(seconds) at C(mbps), and whether that is C(assumed).
      type: dict
    disk:
      description: Its C(kind) and C(gb), C(sent_gb), C(output_gb), whether that is C(output_assumed), and C(free_gb).
      type: dict
    image:
      description: The image; V(none) when only a template knows.
      type: str
    image_gb:
      description: The size that is assumed or given.
      type: float
    cuda:
      description:
        - The versions of the C(image), the C(floor) that is asked for and the C(newest) host, and how many offers are
          C(fitting), C(mixed), C(too_old) and C(unknown).
      type: dict
    command:
      description: The command that trains.
      type: str
    artifacts:
      description: Patterns of the results that are fetched; empty means all of the output.
      type: list
      elements: str
    artifacts_max_gb:
      description: The most that is fetched without having been named, in GB.
      type: float
    ready_when:
      description: What shows that the image's set-up is done.
      type: str
    files:
      description: Places on the pod of the files that are rendered from templates.
      type: list
      elements: str
    run:
      description: C(name), C(directory), C(state) (V(new), V(living), V(ended) or V(unproved)), C(outcome), C(pods).
      type: dict
    limits:
      description: Those in force.
      type: dict
    settings:
      description: Lines on the settings of the environment in effect.
      type: list
      elements: str
    assumptions:
      description: Assumptions behind the figures.
      type: list
      elements: str
    problems:
      description: Why it is refused, one sentence per reason; empty when it is not.
      type: list
      elements: str
    warnings:
      description: What is doubtful, one sentence each.
      type: list
      elements: str
"""
