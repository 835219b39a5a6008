#!/usr/bin/python
# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module podyard.gpu.pod: brings pods into a state, rented from whichever provider fits best."""

from __future__ import annotations

DOCUMENTATION = r"""
module: pod
short_description: Rent, start, stop and end pods at whichever provider fits best
version_added: 0.1.0
author: podyard.gpu contributors (@podyard)
description:
  - Brings one pod, or O(count) pods of one name, into the requested state and waits until they can be used.
  - All providers are asked at the same time for pods of the name and for offers. Offers that fit are ranked over all
    providers (O(rank_by)) and tried in that order, the next offer, the next region, the next GPU, the next provider,
    until enough pods are ready. When all offers that were found are gone, the market is searched once more.
  - A pod that does not become ready, that costs more than O(max_price), or whose contract is not what was asked for is
    ended and proved gone. That counts as an attempt (O(attempts)), and its machine is not rented again in this run, nor
    for a day (O(bad_hosts_file)). Where a provider does not number its machines, the same GPU in the same region is
    tried last.
  - A second call with the same options changes nothing. Pods are not changed in place; an existing pod that differs is
    a failure that says so. M(podyard.gpu.runpod_pod) and M(podyard.gpu.vastai_instance) change pods in place.
  - When one of the pods cannot be rented, or the task is interrupted, everything that this call has rented is given
    back. Pods that were there before are left alone.
  - A create is sent once. When its outcome is unknown, the pod is looked up by its name, and a second create is sent
    only after the pod was proved absent.
  - With its action plugin, the module shows every attempt, and what it is waiting for.
options:
  name:
    description:
      - The pods' name. Without O(count) there is one pod of this name; with it the pods are called C(<name>-0),
        C(<name>-1) and so on.
      - A name of the form C(podyard-<project>-<run>-<index>) gets C(-<attempt>) appended for each create, and stands
        for all its attempts. Any other name means itself. So with O(count), C(podyard-<project>-<run>) is the name of
        all pods of a run.
    type: str
    required: true
  spec:
    description:
      - Options of this module as one mapping, for a caller that was handed them whole, as the role
        P(podyard.gpu.provision#role). One that is given beside it counts instead; what is null in it is not given.
      - A name in it that is no option is refused. O(name) may be in it.
    type: dict
  count:
    description:
      - The number of pods, which are rented at the same time. With a higher number than before, pods are added; with a
        lower one, the pods with the highest numbers are ended and proved gone.
    type: int
  state:
    description:
      - V(present), the pods exist; missing pods are rented, and stopped pods stay stopped.
      - V(running), the same, and stopped pods are started.
      - V(stopped), all pods of the name are stopped by their provider. A warning says what that loses and what it goes
        on to cost.
      - V(absent), all pods of the name are ended and proved gone, the one called O(name) and those called
        C(<name>-<number>), whatever O(count) says.
    type: str
    choices: [present, running, stopped, absent]
    default: present
  providers:
    description:
      - The acceptable providers. If not given, those for which an API key is found. A provider that is named and has no
        key is an error.
    type: list
    elements: str
    choices: [runpod, vastai]
  strict_providers:
    description:
      - Whether a provider that cannot be asked is a failure. With V(false) RV(notes) says so, and the others are used.
      - With O(state=stopped) and O(state=absent) it is always a failure; with the latter, the pods at the other
        providers are ended first. With O(run_dir) it is a failure too when the run's record says that a pod of the name
        may be there, because it would be rented twice. A key that is refused is always a failure.
    type: bool
    default: false
  image:
    description:
      - The container image. Needed to rent a pod, unless O(template) names one.
    type: str
  template:
    description:
      - A template, by id or name, for what is not given here. A provider that has no such template is left out; to name
        a template of one provider, see O(runpod.template) and O(vastai.template).
    type: str
  registry:
    description:
      - The credentials for a private image that the provider stores, by id or name. Vast.ai stores none; give it
        O(vastai.registry_login).
    type: str
  gpus:
    description:
      - The acceptable GPUs, in order of preference, loosely spelled (V(4090), V(rtx4090) and V(RTX 4090) are the same).
        A new pod needs this, O(min_gpu_memory) or O(min_compute_capability).
      - A spelling that no provider knows is an error that names the closest matches.
    type: list
    elements: str
    default: []
  min_gpu_memory:
    description:
      - The minimum memory of each GPU, in GB.
    type: float
  min_compute_capability:
    description:
      - The minimum compute capability of the GPUs, such as V(8.9).
    type: float
  gpu_count:
    description:
      - GPUs in each pod. A new pod gets 1 if this is not given.
    type: int
  min_memory:
    description:
      - The minimum memory of each whole pod, in GB.
    type: float
  min_vcpus:
    description:
      - The minimum number of virtual CPUs of each whole pod.
    type: float
  disk:
    description:
      - The container's disk in GB. A new pod gets 20 if this is not given, or what its template says.
    type: int
  volume:
    description:
      - Storage on the pod's host that outlives a stop, but not the pod. Where a provider's only disk outlives a stop
        anyway, that disk becomes larger by this size, and the directory is created.
    type: dict
    suboptions:
      size:
        description:
          - Its size in GB, at least 10.
        type: int
        required: true
      path:
        description:
          - Where it is. A new pod gets V(/workspace) if this is not given.
        type: str
  network_volume:
    description:
      - A volume that exists and outlives the pod. Pods are rented only where the volume is; a provider that has no such
        volume is left out.
    type: dict
    suboptions:
      id:
        description:
          - Its id. Either this or O(network_volume.name).
        type: str
      name:
        description:
          - Its name.
        type: str
      path:
        description:
          - Where it is mounted. A new pod gets V(/workspace) if this is not given.
        type: str
  min_cuda_version:
    description:
      - The lowest CUDA version that the host's driver must support, in quotes, such as V("12.8").
    type: str
  regions:
    description:
      - Rent only in these places, in order of preference, given as countries by their two letters (ISO 3166), regions
        of the world such as V(europe), or data centres of RunPod. Each provider uses those that it knows; a provider
        that knows none is left out.
    type: list
    elements: str
  clouds:
    description:
      - The acceptable kinds of hosts. If not given, each provider's default, which is V(SECURE) on RunPod and any on
        Vast.ai, where V(SECURE) means hosts in data centres.
    type: list
    elements: str
    choices: [SECURE, COMMUNITY]
  interruptible:
    description:
      - Rent pods that are cheaper, but that another customer can take away by paying more. Providers that have none are
        left out. If not given, pods are on demand, and existing pods are not compared.
    type: bool
  bid:
    description:
      - What an interruptible pod offers for its GPUs, in USD per hour; its disk costs extra. If not given, the minimum
        that each offer accepts.
    type: float
  max_price:
    description:
      - The most that each whole pod may cost, in USD per hour, disk included where the provider lists it so. Checked
        against the offers, and again against the contract; a pod that costs more is given back at once.
    type: float
  hours:
    description:
      - The machine must be offered for at least so many more hours, where a provider reports that; afterwards a pod is
        stopped. V(0) means any.
    type: float
    default: 6
  rank_by:
    description:
      - V(preference), the GPUs as O(gpus) lists them, then the cheapest. V(price), the cheapest. V(value), the most
        throughput for the price, by the table in C(docs/market.md).
    type: str
    choices: [preference, price, value]
    default: preference
  attempts:
    description:
      - How many pods may be rented and given up, for each pod that is wanted. Offers that are refused do not count.
      - On cheap hosts more than half of all pods have been seen never to boot; with five attempts, one call in twenty
        then fails.
    type: int
    default: 5
  deadline:
    description:
      - Seconds for the whole call. A pod that is still coming up then is given back.
      - An hour is enough for three pods that pull a large image, of which only the last one comes up.
    type: float
    default: 3600
  ports:
    description:
      - Ports to open, such as V(22/tcp). A new pod gets V(22/tcp) if this is not given, or what its template says.
    type: list
    elements: str
  env:
    description:
      - Environment variables of the container. They are secret, and appear in no result, diff or log.
    type: dict
  args:
    description:
      - A command that replaces the image's own. On Vast.ai it also replaces the SSH server, so Vast.ai is left out when
        the module waits for SSH.
    type: str
  onstart:
    description:
      - Shell text that runs at each start of the container. RunPod cannot do this and is left out; see
        O(vastai.onstart) for text that only Vast.ai gets.
    type: str
  bootstrap_ssh:
    description:
      - Whether the start command of a new pod sets up an SSH server, where the provider does not put one into every
        image. See M(podyard.gpu.runpod_pod).
    type: str
    choices: [auto, always, never]
    default: auto
  settings:
    description:
      - Whether settings of the environment replace options that are not given; M(podyard.gpu.settings_info) lists them
        all. They apply to new pods of the provider that they belong to.
    type: bool
    default: true
  bad_hosts_file:
    description:
      - The file that remembers for a day the machines whose pods did not become ready, as JSON with reason and time.
        Delete an entry, or the file, to allow a machine earlier.
      - If not given, C(bad-hosts.json) in the directory E(PODYARD_STATE_DIR), else in C(podyard) in the user's cache.
    type: path
  condemned:
    description:
      - With O(state=absent), why the machines of these pods are bad, for instance what M(podyard.gpu.gpu_info) found.
        They are not rented again in this run, nor for a day.
    type: str
  runpod:
    description:
      - Options that only RunPod has.
    type: dict
    suboptions:
      api_key:
        description:
          - The API key. If not given, it is looked for in the same places as by the vendor's own tools.
        type: str
      api_url:
        description:
          - Scheme, host and port of the API, for tests, or for a proxy of your own.
        type: str
      image:
        description:
          - The container image there, instead of O(image).
        type: str
      template:
        description:
          - The template there, instead of O(template) and O(image).
        type: str
      cuda_versions:
        description:
          - Exactly these CUDA versions of the host's driver.
        type: list
        elements: str
        default: []
      entrypoint:
        description:
          - The words of an entrypoint that replaces the image's own. Not together with O(args).
        type: list
        elements: str
      cmd:
        description:
          - The words of a command that replaces the image's own. Not together with O(args).
        type: list
        elements: str
      global_networking:
        description:
          - An address in the private network of the account's pods.
        type: bool
      start_ssh:
        description:
          - Let the image start its SSH server. A new pod does so if this is not given.
        type: bool
      start_jupyter:
        description:
          - Let the image start JupyterLab.
        type: bool
  vastai:
    description:
      - Options that only Vast.ai has. M(podyard.gpu.vastai_instance) explains what is not explained here.
    type: dict
    suboptions:
      api_key:
        description:
          - The API key. If not given, it is looked for in the same places as by the vendor's own tools.
        type: str
      api_url:
        description:
          - Scheme, host and port of the API, for tests, or for a proxy of your own.
        type: str
      image:
        description:
          - The container image there, instead of O(image).
        type: str
      template:
        description:
          - The template there, instead of O(template) and O(image).
        type: str
      search:
        description:
          - More filters, in Vast.ai's query language, as a mapping or as the text of its own command line tool, such as
            V(gpu_ram>=24 inet_down>500). They replace the defaults that M(podyard.gpu.vastai_instance) lists.
        type: raw
      onstart:
        description:
          - Shell text that runs at each start of the container, instead of O(onstart).
        type: str
      runtype:
        description:
          - How the container is started. V(direct), with SSH by the machine's own address and by the gateway; V(proxy),
            by the gateway only; V(jupyter) and V(jupyter_proxy), the same with Jupyter; V(args), with the image's own
            entrypoint and no SSH. A new pod gets V(direct), or V(args) with O(args).
        type: str
        choices: [direct, proxy, jupyter, jupyter_proxy, args]
      args_list:
        description:
          - Arguments for the image's own entrypoint, as a list, with no SSH.
        type: list
        elements: str
      registry_login:
        description:
          - Credentials for a private image.
        type: dict
        suboptions:
          username:
            description:
              - The user.
            type: str
            required: true
          password:
            description:
              - The password or token. It appears in no result or log.
            type: str
            required: true
          server:
            description:
              - The registry. If not given, V(docker.io).
            type: str
      user:
        description:
          - The user that the container runs as. Some images break with it.
        type: str
      vm:
        description:
          - Rent a virtual machine instead of a container.
        type: bool
      use_jupyter_lab:
        description:
          - With a Jupyter O(vastai.runtype), start JupyterLab.
        type: bool
      jupyter_dir:
        description:
          - Where Jupyter starts.
        type: str
      python_utf8:
        description:
          - Set Python's input and output to UTF-8.
        type: bool
      lang_utf8:
        description:
          - Set the locale to UTF-8.
        type: bool
      force:
        description:
          - Passed on to Vast.ai as it is. Its description says that this skips checks of a create from an existing pod.
        type: bool
      extra:
        description:
          - Passed on to Vast.ai as it is.
        type: str
      account_keys:
        description:
          - Put O(public_keys) on the account before the pod is rented. Accounts of teams take none, which is only
            noted.
        type: bool
        default: true
      hostname:
        description:
          - The host name inside a new pod. If not given, Vast.ai chooses one.
        type: str
      network:
        description:
          - The name of an overlay network that exists, for a new pod on a machine of that network's cluster (search for
            C(cluster_id)). Its members reach each other on all ports.
        type: str
      more_volumes:
        description:
          - Existing volumes besides that of O(network_volume), on the same machine. For a new pod only.
        type: list
        elements: dict
        suboptions:
          id:
            description:
              - The number or name of the volume.
            type: str
            required: true
          path:
            description:
              - Where it is mounted.
            type: str
            required: true
extends_documentation_fragment:
  - podyard.gpu.attributes
  - podyard.gpu.api
  - podyard.gpu.pod_wait
  - podyard.gpu.pod_ssh
  - podyard.gpu.pod_lease
attributes:
  check_mode:
    support: full
    details: Reads offers and prices and returns the pods as they would be. Nothing is rented.
  diff_mode:
    support: full
    details: Shows the price. Of environment and scripts only that they are set.
  idempotent:
    support: full
notes:
  - The options O(api_key) and O(api_url) are for one provider. When several are asked, give each its own
    (O(runpod.api_key), O(vastai.api_key)), or let them be found in the environment.
seealso:
  - module: podyard.gpu.offer_info
  - module: podyard.gpu.pod_info
  - module: podyard.gpu.pod_termination
  - module: podyard.gpu.runpod_pod
  - module: podyard.gpu.vastai_instance
"""

EXAMPLES = r"""
- name: Rent a pod for at most 80 cents an hour at any provider
  podyard.gpu.pod:
    name: bench
    image: runpod/pytorch:1.0.2-cu1281-torch280-ubuntu2404
    gpus: [RTX 4090, RTX A6000, L40S]
    max_price: 0.80
    disk: 40
    public_keys:
      - "{{ lookup('ansible.builtin.file', '~/.ssh/id_ed25519.pub') }}"
    private_key_file: ~/.ssh/id_ed25519
    known_hosts_file: ~/.cache/podyard/known_hosts
  delegate_to: localhost
  register: rented

- name: Tell what was tried, how far it got and what it cost
  ansible.builtin.debug:
    msg: >-
      {{ item.gpu }} on {{ item.provider }} at USD {{ item.usd_per_hour }} per hour: {{ item.outcome }},
      {{ item.stage }} after {{ item.seconds }} s, USD {{ item.cost_usd }}. {{ item.reason or '' }}
  loop: "{{ rented.attempts }}"

- name: See which two pods with much memory would be rented now, by what they bring for the money
  podyard.gpu.pod:
    name: sweep
    count: 2
    image: runpod/pytorch:1.0.2-cu1281-torch280-ubuntu2404
    min_gpu_memory: 24
    rank_by: value
    max_price: 2
    public_keys:
      - "{{ lookup('ansible.builtin.file', '~/.ssh/id_ed25519.pub') }}"
  check_mode: true
  diff: true
  delegate_to: localhost

- name: End it
  podyard.gpu.pod:
    name: bench
    state: absent
  delegate_to: localhost
"""

RETURN = r"""
pods:
  description:
    - The pods, in the order of their numbers; empty when they are absent.
    - Each has the fields of RV(podyard.gpu.runpod_pod#module:pod), with C(provider), C(id), C(name), C(phase), C(gpu),
      C(usd_per_hour), C(region), C(host), C(endpoint), C(stage), C(python) and others.
  returned: success
  type: list
  elements: dict
  sample:
    - provider: vastai
      id: "27004551"
      name: sweep-0
      phase: running
      gpu: RTX 4090
      usd_per_hour: 0.39
      stage: ready
      endpoint: {host: 203.0.113.9, port: 34446, user: root, mode: direct}
pod:
  description: The only pod, or the first one; V(none) when they are absent.
  returned: success
  type: dict
  sample:
    provider: vastai
    id: "27004551"
    name: bench
    stage: ready
attempts:
  description: Every create of this call, and what came of it.
  returned: always
  type: list
  elements: dict
  contains:
    provider:
      description: The provider.
      type: str
      sample: vastai
    name:
      description: The pod's name.
      type: str
      sample: podyard-digits-20260715_140000_1f2e-0-1
    offer:
      description: The offer's id, where it is one machine's.
      type: str
      sample: "30418866"
    host:
      description: The machine, where the provider numbers them.
      type: str
      sample: "21055"
    gpu:
      description: The GPU's usual name.
      type: str
      sample: RTX 4090
    gpu_id:
      description: The provider's name for the GPU.
      type: str
      sample: RTX 4090
    cpu:
      description: The processor of a pod without GPUs.
      type: str
    cloud:
      description: The kind of hosts.
      type: str
      sample: SECURE
    region:
      description: The data centre or country.
      type: str
      sample: SE
    usd_per_hour:
      description: The price in the contract, else that of the offer.
      type: float
      sample: 0.39
    stage:
      description: The stage that was reached; V(none) when nothing was rented.
      type: str
      sample: rented
    outcome:
      description: V(rented), V(refused) or V(given back).
      type: str
      sample: given back
    id:
      description: The provider's id of the pod.
      type: str
      sample: "27004550"
    reason:
      description: Why it was not kept, in the provider's own words where it has some.
      type: str
    seconds:
      description: From the order until the pod was ready, refused, or proved gone.
      type: float
      sample: 934.2
    cost_usd:
      description: What it had cost by then, from the price and the time that the provider bills.
      type: float
      sample: 0.0032
pods_gone:
  description: Pods that this call ended, and whether they are proved gone.
  returned: always
  type: list
  elements: dict
  sample:
    - provider: vastai
      id: "27004550"
      name: bench
      usd_per_hour: 0.39
      gone_proved: true
      gone_at: "2026-07-15T15:10:42Z"
      reason:
notes:
  description: Remarks that are not failures, such as a provider that could not be asked.
  returned: always
  type: list
  elements: str
  sample: []
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
from ..module_utils._module.pod import ARGUMENTS, ensure


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    try:
        outcome, notes = ensure(module)
    except CloudError as error:
        module.fail_json(**{"attempts": [], "pods_gone": [], "notes": [], **failure(error)})
    for warning in outcome.warnings:
        module.warn(warning)
    module.exit_json(**outcome.to_group_result(notes))


if __name__ == "__main__":
    main()
