# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who rented a pod: only that account can prove that it is gone.

An account is known by the id that its provider tells, which stays when its key is replaced, and by a hash of the key,
which costs no request. Nor does the id: whoever reads an account's balance notes it for the others.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .._core.errors import CloudError
from .._providers.base import Provider
from .._resources.account import note_account, noted_account
from .books import word


@dataclass(frozen=True)
class Holder:
    """One account: its id as the provider tells it, and the hash of a key of it; None where that is not known."""

    account: str | None = None
    key_hash: str | None = None

    @classmethod
    def of(cls, entry: Mapping[str, Any]) -> Holder:
        """Return the account that an entry of the ledger or of a record names."""
        return cls(word(entry.get("account")), word(entry.get("key_hash")))

    @property
    def known(self) -> bool:
        """Whether anything is known of it."""
        return bool(self.account or self.key_hash)

    def is_(self, other: Holder) -> bool:
        """Whether both are known to be the same account."""
        same_key = self.key_hash is not None and self.key_hash == other.key_hash
        return same_key or (self.account is not None and self.account == other.account)

    def __str__(self) -> str:
        return (
            f"the account {self.account}" if self.account else f"the account of the key with the hash {self.key_hash}"
        )


def holder(provider: Provider, ask: bool = False) -> Holder:
    """Return the account that a provider is reached with; a provider that does not name it is no error.

    :param ask: send a request for the id when no task of this machine has read the account with this key before.
    """
    if provider.key_hash is None:
        return Holder()
    found = noted_account(provider.account_mark)
    if found is None and ask:
        # Some keys have no right to read it. Then their hash must do.
        with contextlib.suppress(CloudError):
            found = provider.account_id()
            note_account(provider.account_mark, found)
    return Holder(found, provider.key_hash)


def doubt(provider: Provider, renter: Holder) -> str | None:
    """Say why the account in force, which never showed a pod that ``renter`` rented, proves nothing about it.

    None if it is the account that rented it, or accounts cannot be distinguished.
    """
    if provider.key_hash is None:
        # Its accounts cannot be distinguished.
        return None
    if not renter.known:
        return (
            "nothing says which account rented it, and the account in force has never shown it, so that its absence "
            f"proves nothing; look for it in the console of {provider.name}"
        )
    if renter.is_(Holder(None, provider.key_hash)):
        return None
    own = holder(provider, ask=True)
    if renter.is_(own):
        return None
    place = f" ({provider.key_variable} in the environment or in .env, or the option api_key)"
    return (
        f"it was rented with {renter}, and the API key in force is of {own}, which cannot prove that it is gone; give "
        f"a key of the account that rented it{place if provider.key_variable else ''} and do this again"
    )
