#!/usr/bin/python
# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module podyard.gpu.vastai_instance: brings one pod on Vast.ai into a state."""

from __future__ import annotations

DOCUMENTATION = r"""
module: vastai_instance
short_description: Rent, change, start, stop, reboot, recycle and end a pod on Vast.ai
version_added: 0.1.0
author: podyard.gpu contributors (@podyard)
description:
  - Brings one pod (Vast.ai calls it an instance) into the requested state and waits until it can be used.
  - Searches the market, rents the first offer that is still available, and tries the next when an offer is gone. Every
    default of the search is this module's own; see O(search).
  - A create is sent once. When its outcome is unknown, the pod is looked up by its label, and a second create is sent
    only after the pod was proved absent. A contract that Vast.ai made although it answered with an error is ended at
    once.
  - A pod that does not become ready is ended and proved gone, and the same machine is not rented again in this call.
  - The SSH keys are put on the account before the pod is rented, attached to it afterwards, and written by its start
    script. A key that this module added to the account is removed from it when the pod ends.
  - With its action plugin, the module shows what it is waiting for.
options:
  name:
    description:
      - The pod's label, by which it is found again.
      - A name of the form C(podyard-<project>-<run>-<index>) gets C(-<attempt>) appended for each create, and stands
        for all its attempts. Any other name means itself, and must be unique.
    type: str
    aliases: [label]
  id:
    description:
      - The number of a pod that exists. If it does not exist, no pod is rented. With O(name), it gets that label.
    type: str
  state:
    description:
      - V(present), the pod exists; it is rented if it does not, and left stopped if it is.
      - V(running), the pod exists and is started.
      - V(stopped), the pod exists and is stopped. Its disk is kept and billed, its GPU may be rented to another
        customer, and then the pod never starts again; a warning says what that costs.
      - V(rebooted), the pod's container is restarted and keeps its GPU; this is done each time.
      - V(recycled), the pod's container is recreated from its image and keeps its GPU; what is on its disk is lost.
        This is done each time.
      - V(absent), the pod is ended and proved gone.
    type: str
    choices: [present, running, stopped, rebooted, recycled, absent]
    default: present
  image:
    description:
      - The container image. Needed to rent a pod, unless O(template) names one. Vast.ai puts an SSH server into it.
      - With the tag C(@vastai-automatic-tag), Vast.ai chooses the tag that fits the machine's driver.
    type: str
  template:
    description:
      - A template, by its hash or its name, for what is not given.
    type: str
  gpus:
    description:
      - The acceptable GPUs, in order of preference, loosely spelled (V(4090), V(rtx4090) and V(RTX 4090) are the same).
        Needed to rent a pod, unless O(search) is given.
      - A spelling that fits no GPU, or more than one, is an error that names the closest matches.
    type: list
    elements: str
    default: []
  gpu_count:
    description:
      - GPUs in the pod. A new pod gets 1 if this is not given.
    type: int
  regions:
    description:
      - Countries to rent in, by their two letters, in order of preference, or the regions V(africa), V(asia),
        V(europe), V(north_america), V(oceania) and V(south_america). If not given, anywhere.
    type: list
    elements: str
  min_cuda_version:
    description:
      - The lowest CUDA version that the machine's driver must support, in quotes, such as V("12.8").
    type: str
  hours:
    description:
      - The machine must be offered for at least so many more hours; afterwards a pod is stopped. V(0) means any.
    type: float
    default: 6
  search:
    description:
      - More filters, in Vast.ai's query language, as a mapping or as the text of its own command line tool, such as
        V(gpu_ram>=24 inet_down>500). Memory is in GB, network in Mbps, duration in days.
      - "They replace these defaults: C(verified=true rentable=true rented=false external=false reliability>=0.95
        inet_down>=100 inet_down_cost<=0.02 inet_up_cost<=0.02 compute_cap>=600), C(direct_port_count) of at least the
        number of O(ports), and C(disk_space) of at least O(disk). C(field=any) removes a default."
    type: raw
  prefer:
    description:
      - V(order), the GPUs are tried as O(gpus) lists them, then the countries, each from the cheapest offer on.
      - V(price), the cheapest offer is tried first, whatever the lists say.
    type: str
    choices: [order, price]
    default: order
  max_price:
    description:
      - The most that the pod may cost in USD per hour, disk included. The price in the contract is read back after the
        create; above it, the pod is given back at once.
    type: float
  interruptible:
    description:
      - Rent a pod that is cheaper, but that another customer can take away by paying more. Needs O(bid), which alone
        means the same. V(false) together with O(bid) is an error.
    type: bool
  bid:
    description:
      - What an interruptible pod offers for its GPUs, in USD per hour; its disk costs extra. For an existing pod, the
        bid is changed.
    type: float
  disk:
    description:
      - The container's disk in GB. It outlives a stop and cannot be changed later. A new pod gets 20 if this is not
        given, or what its template says.
    type: int
  volume:
    description:
      - An existing volume (see M(podyard.gpu.vastai_volume)), or a new one that is created together with the pod. With
        an existing volume, the pod is rented on the volume's own machine.
      - A new volume outlives its pod and is billed until it is deleted (M(podyard.gpu.vastai_volume)); to rent with it
        again, give its O(volume.id) then. If this call gives the pod back, it deletes the new volume too.
    type: dict
    suboptions:
      id:
        description:
          - The number or name of a volume that exists. Either this or O(volume.size).
        type: str
      size:
        description:
          - The size of a new volume in GB. Machines without that much room are skipped.
        type: int
      name:
        description:
          - The name of the new volume. If not given, the name of its pod.
        type: str
      path:
        description:
          - Where it is mounted. A new pod gets V(/workspace) if this is not given.
        type: str
  more_volumes:
    description:
      - Existing volumes besides that of O(volume), on the same machine. For a new pod only.
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
  hostname:
    description:
      - The host name inside a new pod. If not given, Vast.ai chooses one.
    type: str
  network:
    description:
      - The name of an overlay network that exists, for a new pod on a machine of that network's cluster (search for
        C(cluster_id)). Its members reach each other on all ports.
    type: str
  ports:
    description:
      - Ports to open, such as V(8080/tcp) and V(9000/udp). V(22/tcp) is for SSH and open in every O(runtype) but
        V(args). A new pod gets V(22/tcp) if this is not given.
    type: list
    elements: str
  env:
    description:
      - Environment variables, all of them. They are secret, and appear in no result, diff or log.
    type: dict
  onstart:
    description:
      - Shell text that runs at each start of the container, after what sets up SSH. Some 3000 characters at most.
    type: str
  args:
    description:
      - Arguments for the image's own entrypoint, as one text. Vast.ai then sets up no SSH.
    type: str
  args_list:
    description:
      - The same as a list.
    type: list
    elements: str
  target_state:
    description:
      - The state in which a new pod is created. V(stopped) makes a contract that bills the disk and not the GPU. The
        GPU is not reserved and may be rented to another customer; O(state=running) starts the pod, if its GPU is still
        free. The module does not wait for such a pod.
    type: str
    choices: [running, stopped]
    default: running
  runtype:
    description:
      - How the container is started. V(direct), with SSH by the machine's own address and by the gateway; V(proxy), by
        the gateway only; V(jupyter) and V(jupyter_proxy), the same with Jupyter; V(args), with the image's own
        entrypoint and no SSH. A new pod gets V(direct), or V(args) with O(args).
    type: str
    choices: [direct, proxy, jupyter, jupyter_proxy, args]
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
      - With a Jupyter O(runtype), start JupyterLab.
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
      - Put O(public_keys) on the account before the pod is rented. Accounts of teams take none, which is only noted.
    type: bool
    default: true
  attempts:
    description:
      - How many pods may be rented, one after the other, until one of them is ready.
    type: int
    default: 1
  allow_reset:
    description:
      - Allow changes of image, environment, start script or template of a pod that runs. They recreate its container,
        and what is on its disk is lost.
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
    details: Searches offers and prices and returns the pod as it would be. Nothing is rented.
  diff_mode:
    support: full
    details: Shows the price. Of environment and scripts only that they are set or changed.
  idempotent:
    support: partial
    details: Not with O(state=rebooted) and O(state=recycled).
notes:
  - Vast.ai asks for a pause between two requests of each kind. All tasks of a user on one controller observe it
    together.
  - "Vast.ai has no time limit: a pod bills until it is ended."
seealso:
  - module: podyard.gpu.vastai_offer_info
  - module: podyard.gpu.pod_info
  - module: podyard.gpu.pod_termination
"""

EXAMPLES = r"""
- name: Rent a pod for not more than 80 cents an hour, and wait until it can be used
  podyard.gpu.vastai_instance:
    name: notebook
    image: pytorch/pytorch:2.8.0-cuda12.8-cudnn9-devel
    gpus: [RTX 4090, RTX 3090]
    max_price: 0.80
    disk: 40
    search: reliability>=0.97 inet_down>=200
    public_keys:
      - "{{ lookup('ansible.builtin.file', '~/.ssh/id_ed25519.pub') }}"
    private_key_file: ~/.ssh/id_ed25519
    known_hosts_file: ~/.cache/podyard/known_hosts
    attempts: 3
  delegate_to: localhost
  register: rented

- name: Give it another label
  podyard.gpu.vastai_instance:
    id: "{{ rented.pod.id }}"
    name: notebook-2
    wait: false
  delegate_to: localhost

- name: Give it back
  podyard.gpu.vastai_instance:
    id: "{{ rented.pod.id }}"
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
      sample: vastai
    id:
      description: The provider's id of the pod; V(none) in check mode for a pod that would be rented.
      type: str
      sample: "12345678"
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
      sample: running
    gpu:
      description: The GPU's usual name.
      type: str
      sample: RTX 4090
    gpu_id:
      description: The provider's name for the GPU.
      type: str
      sample: RTX 4090
    gpu_count:
      description: GPUs in the pod.
      type: int
      sample: 1
    usd_per_hour:
      description: Price of the whole pod in its contract, in USD per hour.
      type: float
      sample: 0.69
    region:
      description: The country, in two letters.
      type: str
      sample: US
    image:
      description: The container image.
      type: str
      sample: pytorch/pytorch:2.8.0-cuda12.8-cudnn9-devel
    endpoint:
      description: Where SSH answers; V(none) while it has no address.
      type: dict
      sample: {host: 203.0.113.9, port: 34446, user: root, mode: direct}
    created_at:
      description: When it was rented, in UTC.
      type: str
      sample: "2026-07-15T14:00:00Z"
    actions:
      description: The actions that the provider allows now.
      type: list
      elements: str
      sample: [stop, restart, terminate]
    disk_gb:
      description: The container's disk, in GB; a stop keeps it.
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
    host:
      description: The machine, by its number.
      type: str
      sample: "18422"
    interruptible:
      description: Whether another customer can take it away by paying more.
      type: bool
      sample: false
    bid:
      description: The bid of an interruptible pod in USD per hour, without its disk; V(none) on demand.
      type: float
    billing:
      description: What is billed now, V(gpu) (with the disk), V(disk) or V(none).
      type: str
      sample: gpu
    stopped_usd_per_hour:
      description: What the disk costs while the pod is stopped, in USD per hour.
      type: float
      sample: 0.0125
    interruption:
      description: What took the pod away, V(outbid), V(no credit), V(expired) or V(host lost); V(none) if nothing did.
      type: str
    template:
      description: The hash of its template; V(none) without one.
      type: str
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
      description: V(accept-new), since Vast.ai does not show the host keys; V(none) when there was no login.
      type: str
      sample: accept-new
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
      gpu_id: RTX 4090
      cpu:
      cloud:
      region: US
      usd_per_hour: 0.69
      outcome: refused
      id:
      reason: no_such_ask Instance type 21530011 is no longer available
pods_gone:
  description: Pods that this call ended, and whether they are proved gone.
  returned: always
  type: list
  elements: dict
  sample:
    - provider: runpod
      id: "12345678"
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
    status: 410
    code: no_such_ask
    request_id:
    detail: no_such_ask Instance type 21530011 is no longer available
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._core.errors import CloudError
from ..module_utils._module import vastai_instance as instance
from ..module_utils._module.common import failure

PROVIDER = "vastai"


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec=instance.ARGUMENTS,
        supports_check_mode=True,
        required_one_of=[("name", "id")],
        mutually_exclusive=[("args", "args_list")],
    )
    try:
        outcome = instance.ensure(module, PROVIDER)
    except CloudError as error:
        module.fail_json(**{"attempts": [], "pods_gone": [], **failure(error)})
    for warning in outcome.warnings:
        module.warn(warning)
    module.exit_json(**outcome.to_result())


if __name__ == "__main__":
    main()
