#!/usr/bin/python
# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module podyard.gpu.account_info: balance and spending of an account."""

from __future__ import annotations

DOCUMENTATION = r"""
module: account_info
short_description: Read the balance of a provider's account
version_added: 0.1.0
author: podyard.gpu contributors (@podyard)
description:
  - Reads the balance and the present spending of the accounts, which also proves that their keys are accepted.
options: {}
extends_documentation_fragment:
  - podyard.gpu.attributes
  - podyard.gpu.api
  - podyard.gpu.api.providers
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
    details: Nothing is changed.
  idempotent:
    support: full
notes:
  - RunPod has the balance only in its GraphQL API, which it will switch off. Without that API the figures are V(none),
    the key is checked in another way, and RV(accounts[].note) says why.
seealso:
  - module: podyard.gpu.offer_info
"""

EXAMPLES = r"""
- name: Is there enough money for six hours
  podyard.gpu.account_info:
  delegate_to: localhost
  register: account

- name: Stop before anything is rented
  ansible.builtin.assert:
    that: account.accounts[0].balance_usd is none or account.accounts[0].balance_usd > 6 * 0.8
"""

RETURN = r"""
accounts:
  description: One entry for each provider, in the order of O(providers).
  returned: success
  type: list
  elements: dict
  contains:
    provider:
      description: The provider.
      type: str
      sample: runpod
    balance_usd:
      description: Money left, in USD; V(none) where the provider does not say.
      type: float
      sample: 41.7
    spend_usd_per_hour:
      description: What everything in the account costs now, in USD per hour; V(none) where the provider does not say.
      type: float
      sample: 0.69
    spend_limit_usd_per_hour:
      description: What the account may cost at most, in USD per hour; V(none) where the provider does not say.
      type: float
      sample: 80
    note:
      description: Why a figure is missing; V(none) otherwise.
      type: str
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._core.errors import CloudError
from ..module_utils._module.common import API, PROVIDERS, asked, failure, open_provider


def account(module: AnsibleModule, name: str) -> dict[str, Any]:
    """Return the account of one provider, with a note when a figure is missing."""
    provider = open_provider(module, name)
    result = provider.account().to_result()
    result["note"] = " ".join(provider.notes) or None
    if result["note"]:
        module.debug(result["note"])
    return result


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec={**API, **PROVIDERS}, supports_check_mode=True)
    try:
        accounts = [account(module, name) for name in asked(module)]
    except CloudError as error:
        module.fail_json(**failure(error))
    module.exit_json(changed=False, accounts=accounts)


if __name__ == "__main__":
    main()
