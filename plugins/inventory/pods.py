# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Inventory of rented pods."""

from __future__ import annotations

DOCUMENTATION = r"""
name: pods
short_description: Rented GPU pods as hosts
version_added: 0.1.0
author: podyard.gpu contributors (@podyard)
description:
  - Asks the providers which pods the account has, and makes a host of every pod that SSH can reach.
  - Sets what SSH needs (address, port, user, key, host keys, pipelining) natively, makes groups by provider, phase,
    GPU, data center, project and run, and offers O(compose), O(groups) and O(keyed_groups) on top.
  - Never exports a pod's environment.
extends_documentation_fragment:
  - ansible.builtin.constructed
  - ansible.builtin.inventory_cache
requirements:
  - requests
notes:
  - An API that fails makes this source fail, and is never read as an empty account. Ansible itself only warns of a
    failed source, unless C(any_unparsed_is_failed) is set in the section C(inventory) of its configuration.
  - Text from the API that could be a template stays untrusted, all other text is shown as plain text by
    M(ansible.builtin.debug) and C(ansible-inventory).
  - C(compose), C(groups) and C(keyed_groups) see every variable of the host by the name it has there.
  - The cache, if switched on, keeps what the providers said of the pods, without their environment. It does not tell
    two accounts apart, so give each its own O(cache_prefix).
options:
  plugin:
    description: Must be V(podyard.gpu.pods).
    type: str
    required: true
    choices: [podyard.gpu.pods]
  providers:
    description: The providers to ask, each in one request per page.
    type: list
    elements: str
    default: [runpod]
    choices: [runpod, vastai]
  api_key:
    description:
      - The key of the account. May be a template.
      - Without it the key is looked for where the provider's own tools look, for RunPod in E(RUNPOD_API_KEY) first.
      - Can only be given with one provider.
    type: str
    secret: true
  api_url:
    description:
      - The host of the provider's API. May be a template.
      - Without it RunPod's is read from E(RUNPOD_API_BASE_URL), and is the public one at last.
      - Can only be given with one provider.
    type: str
  name_prefix:
    description: Take only pods whose name begins like this; V(podyard-) are those that this collection rented.
    type: str
    default: ""
  run:
    description: Take only the pods of the run with this id.
    type: str
    default: ""
  phases:
    description: Take only pods in one of these phases. Without it, all.
    type: list
    elements: str
    default: []
    choices: [provisioning, starting, running, stopped, failed, unknown]
  include_unaddressed:
    description:
      - Take pods too that SSH cannot reach, because they do not run, or have no public address for port 22.
      - They get no C(ansible_host).
    type: bool
    default: false
  group_by:
    description:
      - The native groups to make. They cost next to nothing, even for thousands of pods.
      - Their names are lower case with underscores, for instance C(provider_runpod), C(phase_running), C(gpu_rtx_4090),
        C(data_center_eu_ro_1), C(project_digits), C(run_20260102_030405_abcd).
    type: list
    elements: str
    default: [provider, phase, gpu, data_center, project, run]
    choices: [provider, phase, gpu, data_center, project, run]
  runs_dir:
    description:
      - The directory that holds the run directories. A relative one is below the directory in which Ansible was called.
      - A pod of a run whose directory is there gets that run's key and is held to its known host keys.
    type: path
    default: runs
  private_key_file:
    description:
      - The key for pods whose run directory is not there. Used only where the file exists.
      - Without it the one that E(RUNPOD_SSH_PRIVATE_KEY_PATH) names, if any.
    type: path
  ssh_user:
    description:
      - The user to log in as on pods whose run directory does not hold the answer.
      - Without it the one that E(RUNPOD_DIRECT_SSH_USER) names, else the one that the provider names.
    type: str
    default: ""
  known_hosts_file:
    description:
      - Where the host keys of pods without a run directory are remembered, each for one start of one pod.
      - The user's own file is never touched.
    type: path
    default: ~/.ssh/podyard_known_hosts
"""

EXAMPLES = r"""
# pods.yml: every pod of the account that SSH can reach; the key comes from RUNPOD_API_KEY
plugin: podyard.gpu.pods

---
# The pods of one project, in groups by price and with a short name to see
plugin: podyard.gpu.pods
name_prefix: podyard-digits-
group_by: [run, gpu]
groups:
  cheap: pod_usd_per_hour < 0.5
keyed_groups:
  - key: pod_gpu_count | string
    prefix: gpus
compose:
  started: pod_started_at

---
# For AWX: the pods that do not run are there too, but disabled
# (enabled variable: pod_phase, enabled value: running, instance id variable: pod_id)
plugin: podyard.gpu.pods
include_unaddressed: true
"""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleParserError
from ansible.plugins.inventory import BaseInventoryPlugin, Cacheable, Constructable

from ansible_collections.podyard.gpu.plugins.module_utils import _providers
from ansible_collections.podyard.gpu.plugins.module_utils._errors import CloudError
from ansible_collections.podyard.gpu.plugins.module_utils._settings import Sources, take
from ansible_collections.podyard.gpu.plugins.plugin_utils._inventory import InventoryHost, Wanted, hosts_of

# Counts up when what is cached changes its shape, so that an older cache is asked anew and not misread.
CACHE_SCHEMA = 1
# Enough of a file to find the line `plugin:` below any licence header.
HEAD_BYTES = 65536


class InventoryModule(BaseInventoryPlugin, Constructable, Cacheable):
    """Makes hosts of pods."""

    NAME = "podyard.gpu.pods"

    def verify_file(self, path: str) -> bool:
        """Take any YAML file that names this plugin, whatever the file is called."""
        if not super().verify_file(path) or not path.endswith((".yml", ".yaml")):
            return False
        with Path(path).open(encoding="utf-8", errors="replace") as file:
            return self.NAME in file.read(HEAD_BYTES)

    def parse(self, inventory: Any, loader: Any, path: str, cache: bool = True) -> None:
        """Fill the inventory from the providers, or from what the cache remembers of them."""
        super().parse(inventory, loader, path, cache)
        self._read_config_data(path)
        for host in hosts_of(self._pods(path, cache), self._wanted()):
            self._add(host)

    def _wanted(self) -> Wanted:
        settings = self._settings()
        return Wanted(
            name_prefix=self.get_option("name_prefix"),
            run=self.get_option("run"),
            phases=tuple(self.get_option("phases")),
            include_unaddressed=self.get_option("include_unaddressed"),
            group_by=tuple(self.get_option("group_by")),
            runs_dir=Path(self.get_option("runs_dir")),
            private_key_file=self.get_option("private_key_file") or settings.get("private_key_file", ""),
            known_hosts_file=self.get_option("known_hosts_file"),
            ssh_user=self.get_option("ssh_user") or settings.get("ssh_user", ""),
        )

    def _settings(self) -> dict[str, str]:
        """What the environment and .env files say of the connection, for the options that are not given."""
        options = [name for name in ("private_key_file", "ssh_user") if not self.get_option(name)]
        try:
            sources = Sources(os.environ)
            tables = [_providers.settings(name) for name in self.get_option("providers")]
            wanted = [setting for table in tables for setting in table if setting.option in options]
            return {str(each.setting.option): each.value for each in take(wanted, sources).values()}
        except CloudError as error:
            raise AnsibleParserError(error.message) from error

    def _pods(self, path: str, cache: bool) -> list[dict[str, Any]]:
        """What the providers say, each pod as a plain dict; from the cache where that is wanted and has it."""
        if not self.get_option("cache"):
            return self._ask()
        self.load_cache_plugin()
        key = self.get_cache_key(path)
        remembered = self._cache.get(key) if cache else None
        if remembered and remembered.get("schema") == CACHE_SCHEMA:
            return remembered["pods"]
        pods = self._ask()
        self._cache[key] = {"schema": CACHE_SCHEMA, "pods": pods}
        return pods

    def _ask(self) -> list[dict[str, Any]]:
        """Ask all providers at the same time. One that fails makes the whole source fail."""
        names = self.get_option("providers")
        key, url = self._templated("api_key"), self._templated("api_url")
        if len(names) > 1 and (key or url):
            raise AnsibleParserError("api_key and api_url fit one provider only; for several use the environment")
        with ThreadPoolExecutor(max_workers=len(names) or 1) as threads:
            lists = [threads.submit(self._ask_one, name, key, url) for name in names]
            return [pod for pods in lists for pod in pods.result()]

    def _ask_one(self, name: str, key: str | None, url: str | None) -> list[dict[str, Any]]:
        try:
            provider = _providers.connect(name, api_key=key, api_url=url)
            # To the error stream: what ansible-inventory prints is read by programs.
            provider.tell(self.display.warning)
            return [pod.to_result() for pod in provider.list()]
        except CloudError as error:
            raise AnsibleParserError(f"the pods on {name} could not be listed: {error.message}") from error

    def _templated(self, option: str) -> str | None:
        value = self.get_option(option)
        return self.templar.template(value) if value else None

    def _add(self, host: InventoryHost) -> None:
        self.inventory.add_host(host.name)
        for name, value in host.variables.items():
            self.inventory.set_variable(host.name, name, value)
        for group in host.groups:
            self.inventory.add_child(self.inventory.add_group(group), host.name)
        strict = self.get_option("strict")
        variables = self.inventory.get_host(host.name).get_vars()
        self._set_composite_vars(self.get_option("compose"), variables, host.name, strict=strict)
        # Read again: what compose made is seen by groups and keyed_groups under the same name.
        variables = self.inventory.get_host(host.name).get_vars()
        self._add_host_to_composed_groups(self.get_option("groups"), variables, host.name, strict=strict)
        self._add_host_to_keyed_groups(self.get_option("keyed_groups"), variables, host.name, strict=strict)
