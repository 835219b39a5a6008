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
  - Asks the providers at the same time which pods the account has, and makes a host of every pod that SSH can reach.
  - Sets what SSH needs (address, port, user, key, host keys, pipelining), makes groups by provider, phase, GPU, region,
    run and project, and offers O(compose), O(groups) and O(keyed_groups) in addition.
  - Never exports a pod's environment.
extends_documentation_fragment:
  - ansible.builtin.constructed
  - ansible.builtin.inventory_cache
requirements:
  - requests
  - jmespath, for O(filters) only
notes:
  - A failing API makes this source fail, and is never taken for an empty account. Ansible itself only warns of a failed
    source, unless C(any_unparsed_is_failed) is set in the section C(inventory) of its configuration, or O(on_failure)
    is V(run).
  - Text from the API that could be a template stays untrusted, all other text is shown as plain text by
    M(ansible.builtin.debug) and C(ansible-inventory).
  - C(compose), C(groups), C(keyed_groups), C(filters) and C(hostname) see every variable of the host under its own
    name. C(docs/inventory.md) lists them.
  - The cache, if switched on, keeps what each provider reported of the pods, without their environment, by file,
    provider and account. An answer that is older than O(cache_timeout), or that a refresh bypasses, is not thrown away;
    O(strict_providers=false) falls back to it.
  - Expressions of Jinja are compiled again for each host, which is slow for thousands of hosts. Native groups and
    O(filters) cost next to nothing.
options:
  plugin:
    description: Must be V(podyard.gpu.pods).
    type: str
    required: true
    choices: [podyard.gpu.pods]
  providers:
    description:
      - The providers to ask, V(runpod) and V(vastai).
      - If not given, all for which there is a key. A provider that is named must have one.
    type: list
    elements: str
    default: []
  strict_providers:
    description:
      - Whether the whole source fails when one provider does.
      - With V(false) a failing provider only gives a warning, and its last answer is taken from the cache, however old,
        if there is one. When no provider is left, the source fails in any case.
    type: bool
    default: true
  timeout:
    description:
      - Seconds in which all providers, asked at the same time, must have answered completely.
      - Vast.ai returns 25 pods per second, RunPod 1000 pods per request.
    type: float
    default: 60
  on_failure:
    description:
      - What a failure ends. V(source) makes this source fail, and Ansible's configuration decides what that means.
        Besides this plugin's message, Ansible then prints the complaints of its other plugins about the file.
      - V(run) prints one sentence and ends C(ansible), C(ansible-playbook) or C(ansible-inventory) with exit code 1,
        whatever Ansible's configuration says.
    type: str
    default: source
    choices: [source, run]
  api_key:
    description:
      - The key of the account. May be a template.
      - A text for the one provider that O(providers) names, or a dictionary by provider.
      - If not given, the key is looked for where the provider's own tools look, for RunPod in E(RUNPOD_API_KEY) first,
        for Vast.ai in E(VAST_API_KEY).
    type: raw
    secret: true
  api_url:
    description:
      - The host of the provider's API. May be a template.
      - A text for the one provider that O(providers) names, or a dictionary by provider.
      - If not given, RunPod's is read from E(RUNPOD_API_BASE_URL), Vast.ai's from E(VAST_URL), and is the public one at
        last.
    type: raw
  name_prefix:
    description: Take only pods whose name begins with this; V(podyard-) selects those that this collection rented.
    type: str
    default: ""
  run:
    description: Take only the pods of the run with this id.
    type: str
    default: ""
  phases:
    description: Take only pods in one of these phases. If not given, all.
    type: list
    elements: str
    default: []
    choices: [provisioning, starting, running, stopped, failed, unknown]
  filters:
    description:
      - Take only pods for which each of these expressions of JMESPath is true.
      - They see the variables of the host. An expression that names any other variable is an error.
      - As always in JMESPath, false, null and empty values are not true, and numbers are written in backticks.
    type: list
    elements: str
    default: []
  include_unaddressed:
    description:
      - Take pods too that SSH cannot reach, because they do not run, or have no public address for port 22.
      - They get no C(ansible_host), and their C(pod_reachable) is false.
    type: bool
    default: false
  hostname:
    description:
      - A template for the names of the hosts, over the variables of each. If not given, a host has the name of its pod.
      - In either case, hosts that would share a name get the pod's id appended. So does a host that would be called
        C(localhost) or would have the name of a group. Other characters than letters, digits and C(_.-) become C(_).
      - A template that fails on a pod makes the source fail with O(strict=true); otherwise the host keeps the pod's own
        name.
    type: str
    default: ""
  group_by:
    description:
      - The native groups to make. They cost next to nothing, even for thousands of pods.
      - Their names are lower case with underscores, for instance C(provider_runpod), C(phase_running), C(gpu_rtx_4090),
        C(region_eu_ro_1), C(run_20260102_030405_abcd), C(project_digits).
    type: list
    elements: str
    default: [provider, phase, gpu, region, run, project]
    choices: [provider, phase, gpu, region, run, project]
  runs_dir:
    description:
      - The directory that holds the run directories. A relative one is below the directory in which Ansible was called.
      - A pod of a run whose directory exists gets that run's key, and must have the known host keys.
    type: path
    default: runs
  private_key_file:
    description:
      - The key for pods without a run directory. Used only if the file exists.
      - If not given, the one that E(RUNPOD_SSH_PRIVATE_KEY_PATH) names, if any.
    type: path
  ssh_user:
    description:
      - The user to log in as on pods whose run directory does not name one.
      - If not given, the one that E(RUNPOD_DIRECT_SSH_USER) names, else the one that the provider names.
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
# pods.yml: every pod that SSH can reach, of all providers for which there is a key (RUNPOD_API_KEY, VAST_API_KEY)
plugin: podyard.gpu.pods

---
# The pods of one project, in groups by price and with a short name to see
plugin: podyard.gpu.pods
name_prefix: podyard-digits-
group_by: [run, gpu]
hostname: "{{ pod_project }}-{{ pod_gpu | lower | replace(' ', '') }}"
groups:
  cheap: pod_usd_per_hour < 0.5
keyed_groups:
  - key: pod_gpu_count | string
    prefix: gpus
compose:
  started: pod_started_at

---
# Large pods and expensive ones, filtered before they become hosts; works without one of the providers, too
plugin: podyard.gpu.pods
strict_providers: false
filters:
  - pod_gpu_count >= `4` || pod_usd_per_hour > `2.5`
cache: true
cache_plugin: ansible.builtin.jsonfile
cache_connection: ~/.cache/podyard/inventory
cache_timeout: 300

---
# For AWX: the pods that do not run are there too, but disabled
# (enabled variable: pod_reachable, enabled value: True, instance id variable: pod_id)
plugin: podyard.gpu.pods
include_unaddressed: true
"""

import difflib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleError, AnsibleParserError
from ansible.plugins.inventory import BaseInventoryPlugin, Cacheable, Constructable, get_cache_plugin

from ..module_utils._core.errors import CloudError
from ..module_utils._providers import registry
from ..module_utils._providers.settings import Sources, take
from ..plugin_utils._common.core_version import refuse_old
from ..plugin_utils._common.screen import fault, warn
from ..plugin_utils._inventory.accounts import Accounts, by_provider, connected
from ..plugin_utils._inventory.cache import Memory
from ..plugin_utils._inventory.hosts import InventoryHost, Namer, Wanted, hosts_of
from ..plugin_utils._inventory.ssh import Connections

# Enough of a file to find the line `plugin:` below any licence header.
HEAD_BYTES = 65536


class InventoryModule(BaseInventoryPlugin, Constructable, Cacheable):
    """An inventory of pods."""

    NAME = "podyard.gpu.pods"

    def verify_file(self, path: str) -> bool:
        """Take any YAML file that names this plugin, whatever the file is called."""
        if not super().verify_file(path) or not path.endswith((".yml", ".yaml")):
            return False
        with Path(path).open(encoding="utf-8", errors="replace") as file:
            return self.NAME in file.read(HEAD_BYTES)

    def parse(self, inventory: Any, loader: Any, path: str, cache: bool = True) -> None:
        """Fill the inventory from the providers, or from the cache."""
        super().parse(inventory, loader, path, cache)
        try:
            refuse_old()
            self._read(path)
            self._fill(path, cache)
        except CloudError as error:
            self._fail(path, AnsibleParserError(error.message))
        except AnsibleError as error:
            self._fail(path, error)

    def _read(self, path: str) -> None:
        """Read the options and refuse unknown ones, which Ansible ignores: a misspelt filter would list every pod."""
        given = self._read_config_data(path)
        known = [*self.option_definitions, "plugin"]
        for name in given:
            if name not in known:
                near = difflib.get_close_matches(str(name), known, n=1)
                hint = f"; did you mean {near[0]}?" if near else "."
                warn(f"The inventory {path} has an unknown option {name}{hint}")

    def _fail(self, path: str, error: AnsibleError) -> None:
        if self._ends_the_run(path):
            fault(f"{' '.join(str(error).split())} (inventory {path})")
            raise SystemExit(1)
        raise error

    def _ends_the_run(self, path: str) -> bool:
        """Return whether a failure ends the run.

        When an option of the file is wrong, Ansible keeps none of them, so the file itself is read again.
        """
        if "on_failure" in self._options:
            return bool(self._options["on_failure"] == "run")
        try:
            given = self.loader.load_from_file(path, cache="none")
        except AnsibleError:
            return False
        return isinstance(given, Mapping) and given.get("on_failure") == "run"

    def _fill(self, path: str, cache: bool) -> None:
        named = self.get_option("providers")
        providers = connected(named, self._given("api_key", named), self._given("api_url", named))
        accounts = Accounts(
            providers,
            self.get_option("timeout"),
            strict=self.get_option("strict_providers"),
            # Goes to the error stream, because programs read what ansible-inventory prints.
            warn=warn,
            memory=self._memory(),
            prefix=self.get_cache_key(path),
        )
        pods = accounts.pods(ask_all=not cache)
        hosts = hosts_of(pods, self._wanted(), self._connections(list(providers)), self._namer())
        before = frozenset(self.inventory.hosts)
        try:
            self._add(hosts)
            self._construct(hosts)
        except AnsibleError:
            # All or nothing: a host that is missing from some of its groups may be mistaken for another kind.
            for host in (each for each in hosts if each.name not in before and each.name in self.inventory.hosts):
                self.inventory.remove_host(self.inventory.get_host(host.name))
            raise

    def _add(self, hosts: list[InventoryHost]) -> None:
        groups: dict[str, list[str]] = {}
        for host in hosts:
            self.inventory.add_host(host.name)
            made = self.inventory.get_host(host.name)
            # Not by the inventory's own set_variable, which copies and tags each value again: these are new, of plain
            # types and tagged already, and with thousands of hosts the copies take a third of the time.
            for name, value in host.variables.items():
                made.set_variable(name, value)
            for group in host.groups:
                groups.setdefault(group, []).append(host.name)
        for group, members in groups.items():
            added = self.inventory.add_group(group)
            for member in members:
                self.inventory.add_child(added, member)

    def _construct(self, hosts: list[InventoryHost]) -> None:
        """Apply compose, groups and keyed_groups, which are slow: Jinja compiles expressions again for each host."""
        compose, strict = self.get_option("compose"), self.get_option("strict")
        groups, keyed_groups = self.get_option("groups"), self.get_option("keyed_groups")
        if not (compose or groups or keyed_groups):
            return
        for host in hosts:
            variables = self.inventory.get_host(host.name).get_vars()
            self._set_composite_vars(compose, variables, host.name, strict=strict)
            # Read again, so that groups and keyed_groups see what compose has set.
            variables = self.inventory.get_host(host.name).get_vars()
            self._add_host_to_composed_groups(groups, variables, host.name, strict=strict, fetch_hostvars=False)
            self._add_host_to_keyed_groups(keyed_groups, variables, host.name, strict=strict, fetch_hostvars=False)

    def _wanted(self) -> Wanted:
        return Wanted(
            name_prefix=self.get_option("name_prefix"),
            run=self.get_option("run"),
            phases=tuple(self.get_option("phases")),
            include_unaddressed=self.get_option("include_unaddressed"),
            filters=tuple(self.get_option("filters")),
            group_by=tuple(self.get_option("group_by")),
        )

    def _connections(self, providers: list[str]) -> Connections:
        """Return how hosts are reached; options win over the environment and .env files."""
        settable = ("private_key_file", "ssh_user")
        given = [name for name in settable if self.get_option(name)]
        table = [each for name in providers for each in registry.settings(name) if each.option in settable]
        found = {str(each.setting.option): each.value for each in take(table, Sources(os.environ), given).values()}
        return Connections(
            Path(self.get_option("runs_dir")),
            self.get_option("private_key_file") or found.get("private_key_file", ""),
            self.get_option("known_hosts_file"),
            self.get_option("ssh_user") or found.get("ssh_user", ""),
        )

    def _namer(self) -> Namer | None:
        template = self.get_option("hostname")
        if not template:
            return None

        def name(variables: Mapping[str, Any]) -> str | None:
            self.templar.available_variables = variables
            try:
                made = self.templar.template(template)
            except AnsibleError as error:
                if self.get_option("strict"):
                    pod = f"the pod {variables['pod_name']!r} ({variables['pod_id']})"
                    raise AnsibleParserError(f"The host name of {pod} cannot be built: {error}") from error
                return None
            return None if made is None else str(made)

        return name

    def _given(self, option: str, named: list[str]) -> dict[str, str]:
        values = by_provider(option, self.get_option(option), named)
        return {name: str(self.templar.template(value)) for name, value in values.items()}

    def _memory(self) -> Memory | None:
        if not self.get_option("cache"):
            return None
        options = {"_uri": "cache_connection", "_prefix": "cache_prefix"}
        given = {key: value for key, name in options.items() if (value := self.get_option(name)) is not None}
        # Kept forever: an expired answer is still better than none when a provider fails.
        self._cache = get_cache_plugin(self.get_option("cache_plugin"), **given, _timeout=0)
        return Memory(self._cache, float(self.get_option("cache_timeout") or 0))
