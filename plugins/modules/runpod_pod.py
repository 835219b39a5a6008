#!/usr/bin/python
# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module podyard.gpu.runpod_pod: brings one pod on RunPod into a state."""

from __future__ import annotations

DOCUMENTATION = r"""
module: runpod_pod
short_description: Rent, change, start, stop, restart and end a pod on RunPod
version_added: 0.1.0
author: podyard.gpu contributors (@podyard)
description:
  - Brings one pod into the requested state and waits until it can be used.
  - A create is sent once. When its outcome is unknown, the pod is looked up by its name, and a second create is sent
    only after the pod was proved absent.
  - A pod that this module rented and that does not become ready is ended and proved gone, before the next offer is
    tried or the module fails.
  - With its action plugin, the module shows what it is waiting for.
options:
  name:
    description:
      - The pod's name, by which it is found again.
      - A name of the form C(podyard-<project>-<run>-<index>) gets C(-<attempt>) appended for each create, and stands
        for all its attempts. Any other name means itself, and must be unique.
    type: str
  id:
    description:
      - The provider's id of a pod that exists. If it does not exist, no pod is rented.
    type: str
  state:
    description:
      - V(present), the pod exists; it is rented if it does not, and left stopped if it is.
      - V(running), the pod exists and is started.
      - V(stopped), the pod exists and is stopped by the provider. That loses everything outside its mounts, and still
        costs money; a warning says what and how much.
      - V(restarted), the pod's container is restarted; this is done each time.
      - V(absent), the pod is ended and proved gone.
    type: str
    choices: [present, running, stopped, restarted, absent]
    default: present
  image:
    description:
      - The container image. Needed to rent a pod, unless O(template) names one.
    type: str
  gpus:
    description:
      - The acceptable GPUs, in order of preference, by display name, by id, or loosely spelled (V(4090), V(rtx4090) and
        V(RTX 4090) are the same). Needed to rent a pod, unless O(cpu) is given.
      - A spelling that fits no GPU, or more than one, is an error that names the closest matches.
    type: list
    elements: str
    default: []
  gpu_count:
    description:
      - GPUs in the pod. A new pod gets 1 if this is not given.
    type: int
  min_ram_per_gpu:
    description:
      - The minimum memory of the host for each GPU, in GB.
      - Older services do not know this filter and refuse the request, which costs nothing. Used only to rent; an
        existing pod is not compared with it.
    type: int
  min_vcpu_count_per_gpu:
    description:
      - The minimum number of virtual CPUs for each GPU. Otherwise like O(min_ram_per_gpu).
    type: int
  cpu:
    description:
      - A pod without GPUs, instead of O(gpus). It is rented in the V(SECURE) cloud, has no O(volume), and has no CUDA.
    type: dict
    suboptions:
      id:
        description:
          - The processor's flavour, such as V(cpu5c).
        type: str
        required: true
      vcpu_count:
        description:
          - The number of virtual CPUs, a power of two from 2 on. The memory depends on it.
        type: int
        required: true
  prefer:
    description:
      - Which offer is tried first when several fit.
      - V(order), as O(gpus) are listed, for each of them as O(clouds) are listed, and there as O(data_centers) are,
        each by a request of its own.
      - V(price), the cheapest first, then the one with the best availability. The provider chooses among
        O(data_centers).
      - RV(attempts) has each try and the provider's words for its refusal.
    type: str
    choices: [order, price]
    default: order
  clouds:
    description:
      - The acceptable kinds of hosts, in order of preference. A new pod is rented in V(SECURE) if this is not given.
    type: list
    elements: str
    choices: [SECURE, COMMUNITY]
  data_centers:
    description:
      - Only these data centres, in order of preference (see O(prefer)). If not given, any, or that of the
        O(network_volume). Case does not matter.
    type: list
    elements: str
  min_cuda_version:
    description:
      - The lowest CUDA version that the host's driver must support, such as V(12.8).
    type: str
  cuda_versions:
    description:
      - Exactly these CUDA versions of the host's driver.
    type: list
    elements: str
    default: []
  disk:
    description:
      - The container's disk in GB, which a stop wipes. A new pod gets 20 if this is not given, or what its O(template)
        says.
    type: int
  volume:
    description:
      - A disk on the pod's host that outlives a stop, but not the pod. It can grow, not shrink; the new size shows
        after the next stop and start. Not together with O(network_volume).
    type: dict
    suboptions:
      size:
        description:
          - Its size in GB, at least 10.
        type: int
        required: true
      path:
        description:
          - Where it is mounted. A new pod gets V(/workspace) if this is not given.
        type: str
  network_volume:
    description:
      - A network volume, which outlives the pod. It can be attached only when the pod is rented, which is then in the
        volume's data centre and in the V(SECURE) cloud.
    type: dict
    suboptions:
      id:
        description:
          - Its id. Either this or O(network_volume.name).
        type: str
      name:
        description:
          - Its name. A name that two volumes share is an error that names both.
        type: str
      path:
        description:
          - Where it is mounted. A new pod gets V(/workspace) if this is not given.
        type: str
  ports:
    description:
      - Ports to open, such as V(22/tcp) and V(8888/http). A new pod gets V(22/tcp) if this is not given, or what its
        O(template) says. An empty list closes all.
    type: list
    elements: str
  env:
    description:
      - Environment variables of the container. At most 50, with the one that O(public_keys) takes.
      - They are secret, and appear in no result, diff or log.
    type: dict
  registry:
    description:
      - The credentials for a private image, by id or name. Empty text removes them from an existing pod.
    type: str
  args:
    description:
      - A command that replaces the image's own. With official images this also replaces what starts their SSH server.
      - Empty text restores the image's own command of an existing pod.
    type: str
  entrypoint:
    description:
      - The words of an entrypoint that replaces the image's own. Not together with O(args).
      - It is sent, with O(cmd), as the JSON object that C(args) may hold, since older services refuse a field for it.
    type: list
    elements: str
  cmd:
    description:
      - The words of a command that replaces the image's own. Not together with O(args).
      - Without O(entrypoint) it is sent as C(args), each word quoted as a shell needs it.
    type: list
    elements: str
  template:
    description:
      - A template, by id or name, for what is not given here. It is read once, when the pod is rented; an existing pod
        is compared with it only with O(apply_template).
      - Variables of O(env) are added to the template's.
    type: str
    aliases: [template_id]
  apply_template:
    description:
      - V(on_create), the template applies when the pod is rented, and an existing pod is not compared with it.
      - V(always), an existing pod is also compared with O(template), and changed to the template's present image, args,
        disk, ports, environment and registry, unless the task says otherwise. That resets the container of a running
        pod, which needs O(allow_reset). A second run finds nothing to change.
      - Variables that neither the template nor O(env) names are removed, except for those of the provider and for
        O(public_keys).
      - A volume of the pod grows to the template's size and is mounted at its path. A larger volume stays as it is, and
        a pod without a volume gets none, because the provider adds no storage to a pod.
      - A pod keeps no link to a template, so each field that differs is sent. The template's id goes along, as the
        provider's field C(templateId), for what fields cannot say, such as the credentials by which another account's
        public template pulls its image. Values that the task gives, and the whole environment, are then sent too,
        because the template would overwrite them.
      - A template that only E(RUNPOD_TEMPLATE_ID) names applies to a new pod, and other settings of the environment for
        a new pod are not compared with the template either (see O(settings)).
    type: str
    choices: [on_create, always]
    default: on_create
  global_networking:
    description:
      - An address in the private network of the account's pods. It needs an NVIDIA GPU and a data centre that has such
        networks.
      - On an existing pod, a change takes effect with the next start or restart.
      - Until then the provider shows it as before, so a second run changes it again, which does no harm.
    type: bool
  locked:
    description:
      - Whether the pod is locked. A locked pod is not stopped, not ended, and not changed in what resets its container.
      - With V(false), a locked pod is unlocked first. A new pod is locked last, when it is ready.
    type: bool
  start_ssh:
    description:
      - Let the image start its SSH server, with the account's keys if there are no O(public_keys). A new pod does so if
        this is not given.
      - Only for renting; the provider does not show it again, so it is not compared with a pod that is there.
    type: bool
  start_jupyter:
    description:
      - Let the image start JupyterLab, with a password that the provider makes and puts into the variable
        C(JUPYTER_PASSWORD). To reach it, add V(8888/http) to O(ports).
      - Only for renting, like O(start_ssh).
    type: bool
  max_price:
    description:
      - The most that the whole pod may cost, in USD per hour. Checked against the offers, and again against the
        contract; a pod that costs more is given back at once.
    type: float
  bootstrap_ssh:
    description:
      - Whether the start command of a new pod sets up an SSH server, prints its host keys, and then runs O(args).
      - V(auto) does so when O(public_keys) are given, V(22/tcp) is open, no O(entrypoint) is given, and the image is
        not one of RunPod's own (V(runpod/…)) or its start script is replaced by O(args). V(always) and V(never) apply
        to every image.
      - It needs root, and for an image without the server apt-get, apk, dnf, microdnf or yum and a network. If it
        fails, the pod's log and the message of this module say why.
    type: str
    choices: [auto, always, never]
    default: auto
  settings:
    description:
      - Whether settings of the environment stand in for options that are not given, E(RUNPOD_GPU_TYPE) for O(gpus) for
        instance; M(podyard.gpu.settings_info) lists them all.
      - Settings that describe a pod apply only when it is rented; an existing pod is not compared with them.
      - The key and the address of the API are looked for in any case.
    type: bool
    default: true
  attempts:
    description:
      - How many pods may be rented, one after the other, until one is ready. Offers that are refused do not count.
    type: int
    default: 1
  allow_reset:
    description:
      - Allow a change that resets the container of a running pod (image, args, disk, ports, env, registry, the path of
        a mount), which loses everything outside its mounts. The diff says so.
    type: bool
    default: false
  interruptible:
    description:
      - RunPod no longer rents interruptible pods (spot pods). V(true) is refused before anything is requested.
    type: bool
    default: false
extends_documentation_fragment:
  - podyard.gpu.attributes
  - podyard.gpu.api
  - podyard.gpu.pod_wait
  - podyard.gpu.pod_ssh
  - podyard.gpu.pod_lease
attributes:
  check_mode:
    support: full
    details: Reads offers and prices and returns the pod as it would be. Nothing is rented.
  diff_mode:
    support: full
    details: Shows the price. Of environment and args only that they are set or changed.
  idempotent:
    support: partial
    details: Not with O(state=restarted).
seealso:
  - module: podyard.gpu.offer_info
  - module: podyard.gpu.pod_info
  - module: podyard.gpu.pod_termination
"""

EXAMPLES = r"""
- name: Rent a pod for not more than 80 cents an hour, and wait until it can be used
  podyard.gpu.runpod_pod:
    name: notebook
    image: runpod/pytorch:1.0.2-cu1281-torch280-ubuntu2404
    gpus: [RTX 4090, RTX A6000, L40S]
    max_price: 0.80
    disk: 40
    public_keys:
      - "{{ lookup('ansible.builtin.file', '~/.ssh/id_ed25519.pub') }}"
    private_key_file: ~/.ssh/id_ed25519
    known_hosts_file: ~/.cache/podyard/known_hosts
    attempts: 3
  delegate_to: localhost
  register: rented

- name: See what another disk and a port for a notebook would change, and what is lost by it
  podyard.gpu.runpod_pod:
    id: "{{ rented.pod.id }}"
    disk: 60
    ports: [22/tcp, 8888/http]
    allow_reset: true
  check_mode: true
  diff: true
  delegate_to: localhost

- name: Keep it from being stopped or ended by mistake
  podyard.gpu.runpod_pod:
    id: "{{ rented.pod.id }}"
    locked: true
    wait: false
  delegate_to: localhost

- name: Give it back all the same
  podyard.gpu.runpod_pod:
    id: "{{ rented.pod.id }}"
    state: absent
    locked: false
  delegate_to: localhost

- name: Have a volume for data
  podyard.gpu.runpod_network_volume:
    name: shared-data
    size: 20
    data_center: EU-RO-1
  delegate_to: localhost

- name: Have a template for the container
  podyard.gpu.runpod_template:
    name: notebooks
    image: runpod/pytorch:1.0.2-cu1281-torch280-ubuntu2404
    disk: 40
    ports: [22/tcp, 8888/http]
  delegate_to: localhost

- name: Rent where the volume is, with what the template says, on whatever is cheapest
  podyard.gpu.runpod_pod:
    name: trainer
    template: notebooks
    network_volume:
      name: shared-data
    gpus: [RTX 4090, A40, L40S, RTX A6000]
    prefer: price
    max_price: 1
    env:
      HF_HUB_ENABLE_HF_TRANSFER: "1"
    public_keys:
      - "{{ lookup('ansible.builtin.file', '~/.ssh/id_ed25519.pub') }}"
    private_key_file: ~/.ssh/id_ed25519
    wait_for: addressed
  delegate_to: localhost
  register: trainer

- name: Tell what was tried, and what the provider said
  ansible.builtin.debug:
    msg: "{{ item.gpu }} in {{ item.cloud }}, USD {{ item.usd_per_hour }} per hour: {{ item.reason or item.outcome }}"
  loop: "{{ trainer.attempts }}"

- name: Let the template open another port
  podyard.gpu.runpod_template:
    name: notebooks
    image: runpod/pytorch:1.0.2-cu1281-torch280-ubuntu2404
    disk: 40
    ports: [22/tcp, 8888/http, 6006/http]
  delegate_to: localhost

- name: Apply the current template to the existing pod, which restarts its container
  podyard.gpu.runpod_pod:
    name: trainer
    template: notebooks
    apply_template: always
    env:
      HF_HUB_ENABLE_HF_TRANSFER: "1"
    allow_reset: true
    wait: false
  diff: true
  delegate_to: localhost

- name: End it; the volume stays
  podyard.gpu.runpod_pod:
    name: trainer
    state: absent
  delegate_to: localhost

- name: Sort the data on the volume with a pod that has no GPU
  podyard.gpu.runpod_pod:
    name: sorter
    image: runpod/base:1.0.0
    cpu:
      id: cpu3c
      vcpu_count: 4
    network_volume:
      name: shared-data
      path: /data
    public_keys:
      - "{{ lookup('ansible.builtin.file', '~/.ssh/id_ed25519.pub') }}"
    wait_for: addressed
  delegate_to: localhost

- name: End that one too
  podyard.gpu.runpod_pod:
    name: sorter
    state: absent
  delegate_to: localhost

- name: Delete the template
  podyard.gpu.runpod_template:
    name: notebooks
    state: absent
  delegate_to: localhost

- name: Delete the volume with all its data
  podyard.gpu.runpod_network_volume:
    name: shared-data
    state: absent
  delegate_to: localhost
"""

RETURN = r"""
pod:
  description: The pod; V(none) when it is absent.
  returned: success
  type: dict
  contains:
    provider:
      description: The provider.
      type: str
      sample: runpod
    id:
      description: The provider's id of the pod; V(none) in check mode for a pod that would be rented.
      type: str
      sample: 7h9k2m4n6p
    name:
      description: The pod's name.
      type: str
      sample: podyard-digits-20260715_140000_1f2e-0-1
    phase:
      description: Its phase, V(provisioning), V(starting), V(running), V(stopped), V(gone), V(failed) or V(unknown).
      type: str
      sample: running
    raw_status:
      description: The provider's own word for its state.
      type: str
      sample: RUNNING
    gpu:
      description: The GPU's usual name.
      type: str
      sample: RTX 4090
    gpu_id:
      description: The provider's name for the GPU.
      type: str
      sample: NVIDIA GeForce RTX 4090
    gpu_count:
      description: GPUs in the pod.
      type: int
      sample: 1
    cpu:
      description: The processor of a pod without GPUs; V(none) for a pod with GPUs.
      type: dict
      sample: {id: cpu5c, vcpu_count: 4, memory_gb: 8.0}
    usd_per_hour:
      description: Price of the whole pod in its contract, in USD per hour.
      type: float
      sample: 0.69
    region:
      description: The data centre; V(none) until the pod is placed.
      type: str
      sample: EU-RO-1
    cloud:
      description: The kind of hosts.
      type: str
      sample: SECURE
    image:
      description: The container image.
      type: str
      sample: runpod/pytorch:1.0.2-cu1281-torch280-ubuntu2404
    endpoint:
      description: Where SSH answers; V(none) while it has no address.
      type: dict
      sample: {host: 203.0.113.9, port: 34446, user: root, mode: direct}
    created_at:
      description: When it was rented, in UTC.
      type: str
      sample: "2026-07-15T14:00:00Z"
    started_at:
      description: When its container started, in UTC.
      type: str
      sample: "2026-07-15T14:02:10Z"
    actions:
      description: The actions that the provider allows now.
      type: list
      elements: str
      sample: [stop, restart, terminate]
    disk_gb:
      description: The container's disk, in GB; wiped by a stop.
      type: int
      sample: 20
    ports:
      description: The ports that were asked for.
      type: list
      elements: str
      sample: [22/tcp]
    mounts:
      description: Storage that outlives a stop.
      type: list
      elements: dict
      sample:
        - kind: disk
          path: /workspace
          size_gb: 50
          volume_id:
    cuda_version:
      description: The CUDA version of the host's driver; V(none) when unknown.
      type: str
      sample: "12.8"
    utilisation:
      description: The current utilisation in percent; V(none) without telemetry.
      type: dict
      sample: {gpus: [{gpu: 97, memory: 61}], cpu: 12, memory: 8}
    locked:
      description: A locked pod cannot be stopped.
      type: bool
      sample: false
    global_networking:
      description: Whether it has an address in the account's private network; V(none) when unknown.
      type: bool
      sample: false
    internal_host:
      description: Its name in the account's private network; V(none) without global networking.
      type: str
      sample: 7h9k2m4n6p.runpod.internal
    stage:
      description: The stage that was reached, one of the choices of O(wait_for).
      type: str
      sample: ready
    python:
      description: A Python on the pod that Ansible can use; V(none) if there is none, or if it was not waited for.
      type: str
      sample: /usr/bin/python3
    python_version:
      description: Its version.
      type: str
      sample: 3.12.3
    host_key_checking:
      description: V(strict) when the host keys were learned from the pod's log, V(accept-new) when the image does not
        print them; V(none) when there was no login.
      type: str
      sample: strict
    lease_ends_at:
      description: When the pod ends itself unless it is renewed, in UTC, by the clock of this machine; V(none) without
        O(lease), and when this task did not log in.
      type: str
      sample: "2026-07-15T16:02:10Z"
attempts:
  description: Every create of this call, and what came of it, in the order of the tries; C(reason) holds the provider's
    own words.
  returned: always
  type: list
  elements: dict
  sample:
    - name: podyard-digits-20260715_140000_1f2e-0-1
      gpu: RTX 4090
      gpu_id: NVIDIA GeForce RTX 4090
      cpu:
      cloud: SECURE
      region: EU-RO-1
      usd_per_hour: 0.69
      outcome: refused
      id:
      reason: There are no longer any instances available with the requested specifications
pods_gone:
  description: Pods that this call ended, and whether they are proved gone.
  returned: always
  type: list
  elements: dict
  sample:
    - provider: runpod
      id: 7h9k2m4n6p
      name: podyard-digits-20260715_140000_1f2e-0-1
      usd_per_hour: 0.69
      gone_proved: true
      gone_at: "2026-07-15T15:10:42Z"
      reason:
failure:
  description: What is known of the error; C(detail) holds the provider's own words.
  returned: failure
  type: dict
  sample:
    kind: NoCapacity
    status: 400
    code:
    request_id: 3f1c
    detail: There are no longer any instances available with the requested specifications
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._core.errors import CloudError
from ..module_utils._module.common import failure
from ..module_utils._module.runpod_pod import ARGUMENTS, ensure

PROVIDER = "runpod"


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec=ARGUMENTS,
        supports_check_mode=True,
        required_one_of=[("name", "id")],
    )
    try:
        outcome = ensure(module, PROVIDER)
    except CloudError as error:
        module.fail_json(**{"attempts": [], "pods_gone": [], **failure(error)})
    for warning in outcome.warnings:
        module.warn(warning)
    module.exit_json(**outcome.to_result())


if __name__ == "__main__":
    main()
