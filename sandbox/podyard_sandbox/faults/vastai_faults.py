# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The faults of Vast.ai: refusals, searches and creates, instances, and odd responses."""

from __future__ import annotations

from podyard_sandbox.faults.kind import FaultKind, Param, name_filter, operation_filter

_POD = name_filter("instances whose label or id")
_NAME = name_filter("instances with a label")
_AFTER = Param(float, 0.0, "seconds after running, or from now for an instance that is already running")

_REQUESTS = (
    FaultKind(
        "vast-auth-style",
        "Vast.ai answers an invalid key in this style.",
        {
            "style": Param(
                str,
                "404",
                "the status, all with auth_error; tfa: a 401 without two factors; expired: a 404 without a session",
                ("401", "403", "404", "tfa", "expired"),
            ),
            "revoked": Param(bool, False, "whether valid keys are refused, too"),
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
        "Vast.ai's searches are answered 429 search_quota_exceeded, as if until midnight UTC.",
        {"operation": operation_filter("vast.search*")},
    ),
    FaultKind(
        "vast-instance-key-no-rights",
        "The key in CONTAINER_API_KEY has no rights; otherwise it may show, start, stop and destroy its own instance.",
    ),
    FaultKind(
        "vast-v0-list",
        "The old list /api/v0/instances/ still answers; otherwise it answers 410 deprecated_endpoint.",
    ),
    FaultKind(
        "vast-paging",
        "The list has at most this many instances per page, whatever limit was asked for.",
        {"size": Param(int, 2, "instances per page")},
    ),
    FaultKind(
        "vast-search-cap",
        "A search finds at most this many offers, whatever limit was asked for.",
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
            "offer": name_filter("offer ids"),
            "gpu": name_filter("GPU names"),
            "name": _NAME,
        },
    ),
    FaultKind(
        "vast-create-error-with-contract",
        "The create answers 400 invalid_price, yet leaves a stopped contract, which the response names.",
        {"name": _NAME},
    ),
    FaultKind(
        "vast-create-timeout-but-created",
        "The create creates the instance and drops the connection without a response.",
        {"name": _NAME},
    ),
    FaultKind(
        "vast-create-timeout-unmade",
        "The create drops the connection without a response and creates no instance.",
        {"name": _NAME},
    ),
    FaultKind(
        "vast-double-accept",
        "A create on a rented offer is accepted, and its container never starts.",
        {
            "text": Param(str, "port", "status_msg: port: already allocated; oci: runtime error", ("port", "oci")),
            "name": _NAME,
        },
    ),
    FaultKind(
        "vast-success-but-stopped",
        "The create answers success, but the instance is stopped; a start fixes it.",
        {"name": _NAME},
    ),
    FaultKind(
        "vast-null-after-create",
        "A new instance is null in show, missing from the list, or both, for a while.",
        {
            "seconds": Param(float, 2.0, "seconds"),
            "reading": Param(str, "show", "where it is missing", ("show", "list", "both")),
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
        "A create with a bid yields an on-demand contract.",
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
        "The image takes this much longer to pull.",
        {"seconds": Param(float, 5.0, "seconds"), "name": _NAME},
    ),
    FaultKind(
        "vast-bad-image",
        "The image cannot be pulled: status_msg says so, and after a while intended_status is stopped.",
        {
            "seconds": Param(float, 2.0, "seconds until intended_status is stopped; minutes in real life"),
            "text": Param(str, "manifest", "manifest: not found; denied: no access", ("manifest", "denied")),
            "image": name_filter("images"),
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
                str, "queued", "queued: it starts later; stopped: it stays stopped", ("queued", "stopped")
            ),
            "name": _NAME,
        },
    ),
    FaultKind(
        "vast-outbid",
        "A running instance is outbid and stopped: at once one selected by `pod`, else the next that runs.",
        {"pod": _POD, "after": _AFTER, "seconds": Param(float, 0.0, "seconds until the bid wins again; 0: never")},
    ),
    FaultKind(
        "vast-credit-zero",
        "The account has this credit; at 0 all instances stop and none can be rented.",
        {"usd": Param(float, 0.0, "the credit, USD")},
    ),
    FaultKind(
        "vast-expired",
        "The contract expires: the instance is stopped and cannot be started; selected as for vast-outbid.",
        {"pod": _POD, "after": _AFTER},
    ),
    FaultKind(
        "vast-offline",
        "The host does not respond: its gateway is closed and nothing is billed; selected as for vast-outbid.",
        {
            "pod": _POD,
            "after": _AFTER,
            "status": Param(str, "offline", "the actual_status", ("offline", "unknown")),
            "seconds": Param(float, 0.0, "seconds until it is back; 0: never"),
            "dead": Param(bool, False, "whether the container is lost, too; otherwise it continues to run"),
        },
    ),
    FaultKind(
        "vast-destroy-flaky",
        "The destroy does not do what it should.",
        {
            "reading": Param(
                str,
                "alive",
                "429; 500; alive: 200, and it is visible for a while; ignored: 200, and it continues; back: 200, hidden"
                " for a while, and back again",
                ("429", "500", "alive", "ignored", "back"),
            ),
            "seconds": Param(float, 2.0, "length of that while, seconds"),
            "name": _NAME,
        },
    ),
    FaultKind(
        "vast-destroy-again",
        "A second destroy of an instance is answered like this; otherwise 404 not_found.",
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
        "A running instance has no direct address, only the gateway.",
        {"name": _NAME},
    ),
    FaultKind(
        "vast-jupyter-plus-one",
        "The gateway forwards SSH at ssh_port + 1 everywhere or nowhere; otherwise only in jupyter modes.",
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
        "The keys never reach the container, or only in a file that sshd refuses.",
        {
            "reading": Param(str, "absent", "absent: no key; mode: a file that others can write", ("absent", "mode")),
            "name": _NAME,
        },
    ),
    FaultKind(
        "vast-key-vanishes",
        "The container's key file is overwritten with the registered keys; others in it are lost.",
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
        "Keys cannot be added to the account, as for a team: 400 team_ssh_keys_not_supported.",
    ),
    FaultKind(
        "vast-account-key-everywhere",
        "A new key of the account reaches running instances, too; otherwise only new ones.",
    ),
)

_SHAPES = (
    FaultKind(
        "vast-no-keys-404",
        "The list of an account without SSH keys is answered 404; otherwise it is empty.",
    ),
    FaultKind(
        "vast-key-field",
        "The list of SSH keys has their lines under this name; otherwise under public_key.",
        {"field": Param(str, "key", "the name", ("key", "ssh_key", "public_key"))},
    ),
    FaultKind(
        "vast-show-shape",
        "Show answers an instance without its wrapper, or as a list of one.",
        {"shape": Param(str, "list", "list: in a list; bare: without the wrapper", ("list", "bare")), "name": _NAME},
    ),
    FaultKind(
        "vast-odd-fields",
        "A field of an instance has its other known type.",
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
        "A log's result_url answers with this status for the first polls.",
        {
            "polls": Param(int, 3, "number of polls"),
            "status": Param(int, 404, "HTTP status", (403, 404)),
        },
    ),
)

KINDS = (*_REQUESTS, *_CREATES, *_STARTS, *_SSH, *_SHAPES)
