# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes wrong with Vast.ai: refusals, searches and creates, instances, and what in its answers is odd."""

from __future__ import annotations

from podyard_sandbox.faults.kind import FaultKind, Param, name_filter, operation_filter

_POD = name_filter("instances with a label or id")
_NAME = name_filter("instances with a label")
_AFTER = Param(float, 0.0, "seconds from running, or from now for an instance that runs already, until it happens")

_REQUESTS = (
    FaultKind(
        "vast-auth-style",
        "Vast.ai answers a key that is none in this style.",
        {
            "style": Param(
                str,
                "404",
                "the status, all with auth_error; tfa: a 401 that wants two factors; expired: a 404 that wants a login",
                ("401", "403", "404", "tfa", "expired"),
            ),
            "revoked": Param(bool, False, "whether good keys are none, either"),
            "operation": operation_filter("*"),
        },
    ),
    FaultKind(
        "vast-throttle",
        "Vast.ai's requests are answered 429.",
        {
            "operation": operation_filter("*"),
            "shape": Param(
                str,
                "detail",
                "detail: {detail}; json: rate_limit_exceeded; text: plain with the threshold; bare: plain without",
                ("detail", "json", "text", "bare"),
            ),
            "retry_after": Param(int, 0, "Retry-After, seconds; 0 sends none, as the documentation says"),
        },
    ),
    FaultKind(
        "vast-quota",
        "Vast.ai's searches are answered 429 search_quota_exceeded, which lasts until midnight UTC.",
        {"operation": operation_filter("vast.search*")},
    ),
    FaultKind(
        "vast-instance-key-no-rights",
        "The key in CONTAINER_API_KEY may do nothing; else it may show, start, stop and destroy its own instance.",
    ),
    FaultKind(
        "vast-v0-list",
        "The old list /api/v0/instances/ still answers; else it says 410 deprecated_endpoint.",
    ),
    FaultKind(
        "vast-paging",
        "The list holds at most so many instances a page, whatever limit was asked for.",
        {"size": Param(int, 2, "instances a page")},
    ),
    FaultKind(
        "vast-search-cap",
        "A search finds at most so many offers, whatever limit was asked for.",
        {"size": Param(int, 64, "offers")},
    ),
    FaultKind(
        "vast-cuda-filter-drops",
        "A search by cuda_max_good without compute_cap loses the H100 and H200.",
    ),
)

_CREATES = (
    FaultKind(
        "vast-ask-gone",
        "The offer is gone when it is rented, with this status.",
        {
            "status": Param(int, 410, "HTTP status", (400, 404, 410)),
            "offer": name_filter("an offer's id"),
            "gpu": name_filter("a GPU name"),
            "name": _NAME,
        },
    ),
    FaultKind(
        "vast-create-error-with-contract",
        "The create answers 400 invalid_price, yet there is a stopped contract, which the answer names.",
        {"name": _NAME},
    ),
    FaultKind(
        "vast-create-timeout-but-created",
        "The create makes the instance and drops the connection without an answer.",
        {"name": _NAME},
    ),
    FaultKind(
        "vast-create-timeout-unmade",
        "The create drops the connection without an answer and makes no instance.",
        {"name": _NAME},
    ),
    FaultKind(
        "vast-double-accept",
        "A create on an offer that is taken is accepted, and its container never starts.",
        {"text": Param(str, "port", "what status_msg says: port: bound already; oci", ("port", "oci")), "name": _NAME},
    ),
    FaultKind(
        "vast-success-but-stopped",
        "The create says success, but the instance is stopped; one start helps.",
        {"name": _NAME},
    ),
    FaultKind(
        "vast-null-after-create",
        "A new instance is null in show, or missing from the list, or both, for a while.",
        {
            "seconds": Param(float, 2.0, "seconds"),
            "reading": Param(str, "show", "where it is not seen", ("show", "list", "both")),
            "name": _NAME,
        },
    ),
    FaultKind(
        "vast-price-above",
        "The contract's price is the offer's price times this factor.",
        {"factor": Param(float, 2.0, "contract price / offer price"), "name": _NAME},
    ),
    FaultKind(
        "vast-bid-ignored",
        "A create with a bid makes an on-demand contract.",
        {"name": _NAME},
    ),
    FaultKind(
        "vast-spend-limit",
        "Creates are refused with spend_rate_limit, as for a new account.",
        {"name": _NAME},
    ),
)

_STARTS = (
    FaultKind(
        "vast-slow-pull",
        "The image takes this much longer to come.",
        {"seconds": Param(float, 5.0, "seconds"), "name": _NAME},
    ),
    FaultKind(
        "vast-bad-image",
        "The image cannot be pulled: status_msg says so, and after a while the platform intends a stop.",
        {
            "seconds": Param(float, 2.0, "seconds until intended_status is stopped; minutes in real life"),
            "text": Param(str, "manifest", "manifest: not found; denied: no access", ("manifest", "denied")),
            "image": name_filter("an image"),
            "name": _NAME,
        },
    ),
    FaultKind(
        "vast-oci-fail",
        "The container is created and never starts: OCI runtime create failed.",
        {"name": _NAME},
    ),
    FaultKind(
        "vast-start-unavailable",
        "A stopped instance cannot start, since its GPUs are rented: 200 with success false.",
        {
            "reading": Param(
                str, "queued", "queued: it waits and starts later; stopped: it stays stopped", ("queued", "stopped")
            ),
            "name": _NAME,
        },
    ),
    FaultKind(
        "vast-outbid",
        "A running instance is stopped for a higher bid: of a living one named by `pod`, else the next that runs.",
        {"pod": _POD, "after": _AFTER, "seconds": Param(float, 0.0, "seconds until the bid wins again; 0: never")},
    ),
    FaultKind(
        "vast-credit-zero",
        "The account's credit is this much; at 0 all instances stop and none can be rented.",
        {"usd": Param(float, 0.0, "the credit, USD")},
    ),
    FaultKind(
        "vast-expired",
        "The contract ends: the instance is stopped and cannot be started; chosen as for vast-outbid.",
        {"pod": _POD, "after": _AFTER},
    ),
    FaultKind(
        "vast-offline",
        "The host does not answer: its gateway is shut and nothing is billed; chosen as for vast-outbid.",
        {
            "pod": _POD,
            "after": _AFTER,
            "status": Param(str, "offline", "what actual_status says", ("offline", "unknown")),
            "seconds": Param(float, 0.0, "seconds until it is back; 0: never"),
            "dead": Param(bool, False, "whether the container is gone, too; else what runs there goes on"),
        },
    ),
    FaultKind(
        "vast-destroy-flaky",
        "The destroy does not do what it should.",
        {
            "reading": Param(
                str,
                "alive",
                "429; 500; alive: 200, and it is seen for a while; ignored: 200, and it lives on; back: 200, not seen"
                " for a while, and alive again",
                ("429", "500", "alive", "ignored", "back"),
            ),
            "seconds": Param(float, 2.0, "seconds of that while"),
            "name": _NAME,
        },
    ),
    FaultKind(
        "vast-destroy-again",
        "A second destroy of an instance is answered like this; else 404 not_found.",
        {"reading": Param(str, "no_such_instance", "200, or the error of a 404", ("200", "no_such_instance"))},
    ),
)

_SSH = (
    FaultKind(
        "vast-ports-null",
        "A running instance's ports stay null although port 22 is mapped.",
        {"name": _NAME},
    ),
    FaultKind(
        "vast-proxy-only",
        "A running instance has no direct address; only the gateway leads to it.",
        {"name": _NAME},
    ),
    FaultKind(
        "vast-jupyter-plus-one",
        "The gateway leads to SSH at ssh_port + 1 everywhere or nowhere; else in jupyter modes alone.",
        {"reading": Param(str, "nowhere", "everywhere or nowhere", ("everywhere", "nowhere")), "name": _NAME},
    ),
    FaultKind(
        "vast-ip-with-newline",
        "The instance's public_ipaddr ends with a line break.",
        {"name": _NAME},
    ),
    FaultKind(
        "vast-key-late",
        "The keys reach the container this much later.",
        {"seconds": Param(float, 2.0, "seconds from running"), "name": _NAME},
    ),
    FaultKind(
        "vast-key-never",
        "The keys of the start never reach the container, or in a file that sshd refuses.",
        {
            "reading": Param(str, "absent", "absent: no key; mode: a file that others may write", ("absent", "mode")),
            "name": _NAME,
        },
    ),
    FaultKind(
        "vast-key-vanishes",
        "The container's key file is written anew with the registered keys: others in it are gone.",
        {"after": Param(float, 2.0, "seconds from running"), "name": _NAME},
    ),
    FaultKind(
        "vast-direct-refused",
        "The direct address refuses connections.",
        {"name": _NAME},
    ),
    FaultKind(
        "vast-proxy-refused",
        "The gateway refuses connections to the instance.",
        {"name": _NAME},
    ),
    FaultKind(
        "vast-key-exists",
        "A new key is said to exist: 400 for the account, 200 with success false for an instance.",
    ),
    FaultKind(
        "vast-team-account",
        "Keys cannot be added to the account, as in a team: 400 team_ssh_keys_not_supported.",
    ),
    FaultKind(
        "vast-account-key-everywhere",
        "A new key of the account reaches the running instances, too; else new ones alone.",
    ),
)

_SHAPES = (
    FaultKind(
        "vast-no-keys-404",
        "The list of an account without SSH keys is answered 404; else an empty list.",
    ),
    FaultKind(
        "vast-key-field",
        "The list of SSH keys has their lines under this name; else under public_key.",
        {"field": Param(str, "key", "the name", ("key", "ssh_key", "public_key"))},
    ),
    FaultKind(
        "vast-show-shape",
        "An instance is shown without its wrapper, or as a list of one.",
        {"shape": Param(str, "list", "list: in a list; bare: without the wrapper", ("list", "bare")), "name": _NAME},
    ),
    FaultKind(
        "vast-odd-fields",
        "A field of an instance has its other type.",
        {
            "field": Param(
                str,
                "extra_env",
                "extra_env: an object; ports: a list of numbers; empty_ports: {} for null; numbers: some as text",
                ("extra_env", "ports", "empty_ports", "numbers"),
            ),
            "name": _NAME,
        },
    ),
    FaultKind(
        "vast-logs-late",
        "The log's result_url answers with this status for the first polls.",
        {
            "polls": Param(int, 3, "how many polls"),
            "status": Param(int, 404, "HTTP status", (403, 404)),
        },
    ),
)

KINDS = (*_REQUESTS, *_CREATES, *_STARTS, *_SSH, *_SHAPES)
