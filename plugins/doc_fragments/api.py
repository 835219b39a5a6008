# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options for reaching a provider's API."""

from __future__ import annotations


class ModuleDocFragment:
    """The options api_key and api_url, which ``API`` in ``_module.common`` declares."""

    DOCUMENTATION = r"""
options:
  api_key:
    description:
      - The API key of the provider's account. It is never returned or logged.
      - If not given, it is looked for in the same places as by the vendor's own tools. For RunPod these are the
        environment variable E(RUNPOD_API_KEY), the same name in a file that E(PODYARD_ENV_FILE) names or in C(.env) in
        the working directory, and C(~/.runpod/config.toml). For Vast.ai they are E(VAST_API_KEY), likewise in such a
        file, and the files C(vast_tfa_key) and C(vast_api_key) below C(~/.config/vastai), and C(~/.vast_api_key).
    type: str
  api_url:
    description:
      - Scheme, host and port of the provider's API, without a path; for tests, or for a proxy of your own.
      - If not given, it comes from the environment (for RunPod E(RUNPOD_API_BASE_URL), for Vast.ai E(VAST_URL), also in
        C(.env)), else it is the vendor's own.
      - An address in C(.env) other than the vendor's or this machine's own is used only with a key from the same file.
    type: str
requirements:
  - requests
notes:
  - Runs on the machine that reaches the API, usually localhost.
  - All processes of one user on one machine that use the same key share one request quota, through small files without
    secrets in the directory E(PODYARD_STATE_DIR), by default one below E(XDG_RUNTIME_DIR) or the user's cache.
"""

    PROVIDERS = r"""
options:
  providers:
    description:
      - The providers to ask. If not given, all for which a key is found; with O(api_key) or O(api_url) alone, RunPod.
    type: list
    elements: str
    choices:
      - runpod
      - vastai
"""
