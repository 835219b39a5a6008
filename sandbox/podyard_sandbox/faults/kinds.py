# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every kind of fault: its name, one sentence on what it does, and its parameters.

Where the service's behaviour is in doubt, the sandbox does what its documentation says, and a fault gives the other
reading.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

OPERATIONS = (
    "listPods", "createPod", "getPod", "updatePod", "deletePod", "podAction", "getPodLogs",
    "listNetworkVolumes", "createNetworkVolume", "getNetworkVolume", "updateNetworkVolume", "deleteNetworkVolume",
    "listTemplates", "createTemplate", "getTemplate", "updateTemplate", "deleteTemplate", "listPublicTemplates",
    "listRegistries", "createRegistry", "getRegistry", "deleteRegistry",
    "listSecrets", "createSecret", "getSecret", "updateSecret", "deleteSecret",
    "listBilling", "listPodBilling", "listNetworkVolumeBilling", "listServerlessBilling", "listEndpointBilling",
    "listClusterBilling",
    "getSshKeys", "updateSshKeys", "listGpuTypes", "getGpuType", "listCpuTypes", "getCpuType", "listDataCenters",
    "getDataCenter", "graphql",
)  # fmt: skip
READS = ",".join(name for name in OPERATIONS if name.startswith(("list", "get")) and name != "getPodLogs")


@dataclass(frozen=True)
class Param:
    """One parameter of a fault.

    Attributes:
        type: int, float, str or bool.
        default: its value when it is not given.
        sentence: what it means, with its unit.
        choices: the only values allowed, if any.
        filter: True if the value is a pattern that says which pods, GPUs, ... the fault is for.
    """

    type: type
    default: Any
    sentence: str
    choices: tuple[Any, ...] = ()
    filter: bool = False


@dataclass(frozen=True)
class FaultKind:
    """A fault that can be switched on."""

    name: str
    sentence: str
    params: Mapping[str, Param] = field(default_factory=dict)


def _only(what: str) -> Param:
    return Param(str, "*", f"only for {what} like this (* and ? stand for anything)", filter=True)


def _operation(default: str) -> Param:
    return Param(str, default, "only for these operations of the API, by comma, * for all", filter=True)


SKIP = Param(int, 0, "let the first so many chances pass")
_POD = _only("pods with a name or id")
_NAME = _only("pods with a name")
_AFTER = Param(float, 0.0, "seconds from RUNNING, or from now for a pod that runs already, until it happens")
_BODIES = ("json", "html", "empty")
_READS = "how many reads (get or list)"

_ALL = (
    # What a create meets
    FaultKind(
        "no-capacity",
        "Creates are refused with the capacity text, on machines of this GPU, data centre and cloud.",
        {
            "gpu": _only("a GPU id"),
            "data_center": _only("a data centre id"),
            "cloud": _only("a cloud"),
            "catalogue": Param(bool, False, "whether the catalogue says NONE too; else it still shows the stock"),
        },
    ),
    FaultKind(
        "create-500-but-made",
        "The create answers 500 although it was made (and a pod bills).",
        {"name": _NAME, "operation": _operation("createPod")},
    ),
    FaultKind(
        "create-drops-line",
        "It is made, and the connection dropped without an answer.",
        {"name": _NAME, "operation": _operation("createPod")},
    ),
    FaultKind(
        "create-drops-line-unmade",
        "The connection is dropped without an answer, and nothing is made.",
        {"name": _NAME, "operation": _operation("createPod")},
    ),
    FaultKind(
        "create-refused",
        "The create is refused with this status and text, and makes no pod.",
        {
            "status": Param(int, 400, "HTTP status"),
            "detail": Param(
                str,
                'Field "objectMounts" is not defined by type "PodFindAndDeployOnDemandInput".',
                "the server's words",
            ),
            "gpu": _only("a GPU id"),
        },
    ),
    FaultKind(
        "phantom",
        "The create answers 201 with an id, but no pod is ever there.",
        {"name": _NAME},
    ),
    FaultKind(
        "price-above",
        "The contract's price is the catalogue's price times this factor.",
        {"factor": Param(float, 2.0, "contract price / catalogue price"), "gpu": _only("a GPU id")},
    ),
    FaultKind(
        "low-balance",
        "The account has only so much left: creates that it does not cover for an hour get 402.",
        {"usd": Param(float, 0.01, "the balance, USD")},
    ),
    # What a pod meets on its way to ready
    FaultKind(
        "never-ready",
        "The pod stays in this status for ever and bills.",
        {"status": Param(str, "STARTING", "where it hangs", ("PROVISIONING", "STARTING")), "name": _NAME},
    ),
    FaultKind(
        "slow-stage",
        "A stage on the pod's way lasts so much longer: provisioning, starting, restarting, direct or sshd.",
        {"seconds": Param(float, 5.0, "seconds"), "stage": _only("a stage"), "name": _NAME},
    ),
    FaultKind(
        "no-direct-ssh",
        "The pod runs, but its ssh.direct stays null.",
        {"name": _NAME},
    ),
    FaultKind(
        "sshd-late",
        "The port is shown, but sshd answers this much later than it does otherwise.",
        {"seconds": Param(float, 5.0, "seconds"), "name": _NAME},
    ),
    FaultKind(
        "image-not-found",
        "The image cannot be pulled: the pod ends in ERROR, or the create is refused with 422.",
        {
            "image": _only("an image"),
            "reading": Param(str, "error", "error: the pod ends in ERROR; refused: 422", ("error", "refused")),
        },
    ),
    FaultKind(
        "image-needs-credentials",
        "The image is private: without a registry credential it cannot be pulled, and the pod ends in ERROR.",
        {"image": _only("an image")},
    ),
    FaultKind(
        "pull-rate-limited",
        "The registry has had too many pulls: without a registry credential the pod ends in ERROR.",
        {"image": _only("an image")},
    ),
    FaultKind(
        "image-store-broken",
        "The host cannot unpack the image; the system log says why, and the pod ends in ERROR.",
        {
            "reading": Param(str, "layer", "layer: the host's store is damaged; uid: the image's", ("layer", "uid")),
            "image": _only("an image"),
            "name": _NAME,
        },
    ),
    FaultKind(
        "restart-loop",
        "The container's command ends at once: the pod is RUNNING, and its container starts again and again.",
        {"name": _NAME},
    ),
    FaultKind(
        "cuda-too-old",
        "The host's driver is too old for the image: the container never starts and the pod ends in ERROR.",
        {"image": _only("an image")},
    ),
    FaultKind(
        "public-key-null",
        "With startSsh and no key in the account, PUBLIC_KEY is the literal text null instead of unset.",
        {"name": _NAME},
    ),
    FaultKind(
        "package-mirror-down",
        "The pod's apt-get cannot reach the place that it has packages from.",
        {"name": _NAME},
    ),
    FaultKind(
        "ssh-user-told",
        "The pod's ssh.direct names this user instead of root, whoever its image lets in.",
        {"user": Param(str, "null", "a user's name, or null for none"), "name": _NAME},
    ),
    FaultKind(
        "stale-port",
        "After a start or restart the pod's old port is shown for this many reads more.",
        {"reads": Param(int, 5, _READS), "name": _NAME},
    ),
    FaultKind(
        "gpu-taken",
        "A stopped pod cannot start: its machine's GPU is rented by another.",
        {"status": Param(int, 400, "HTTP status; the true one is not known", (400, 409, 500)), "name": _NAME},
    ),
    FaultKind(
        "host-lost",
        "Processes and data of the pod are gone: of a living pod named by `pod` at once, else of the next to start.",
        {
            "pod": _POD,
            "after": _AFTER,
            "reading": Param(str, "gone", "gone: 404; stuck: RUNNING for ever, with a dead port", ("gone", "stuck")),
        },
    ),
    # What reads and ends meet
    FaultKind(
        "invisible-after-create",
        "A new pod is missing from get and list for so many reads.",
        {
            "reads": Param(int, 3, _READS),
            "seconds": Param(float, 0.0, "and for at least so many seconds"),
            "name": _NAME,
        },
    ),
    FaultKind(
        "terminate-late",
        "A terminated pod stays visible for so many reads.",
        {
            "reads": Param(int, 3, _READS),
            "seconds": Param(float, 0.0, "and for at least so many seconds"),
            "shown": Param(str, "before", "before: as it was; TERMINATED: with that status", ("before", "TERMINATED")),
            "name": _NAME,
        },
    ),
    FaultKind(
        "terminate-ignored",
        "The terminate answers 204, but the pod lives on and bills.",
        {"name": _NAME},
    ),
    FaultKind(
        "stop-late",
        "A stop answers with the pod still RUNNING, and takes effect after so many reads.",
        {"reads": Param(int, 3, _READS), "name": _NAME},
    ),
    FaultKind(
        "small-pages",
        "A list holds at most so many objects a page, whatever limit was asked for.",
        {"size": Param(int, 2, "objects a page")},
    ),
    FaultKind(
        "env-withheld",
        "Answers show the pod's env empty; else they show it in clear.",
        {"name": _NAME},
    ),
    # What any request meets
    FaultKind(
        "unauthorized",
        "Requests are answered 401, as if the key had been deleted.",
        {"operation": _operation("*")},
    ),
    FaultKind(
        "forbidden",
        "Requests are answered 403, as if the key lacked the right.",
        {"operation": _operation("*")},
    ),
    FaultKind(
        "rate-limited",
        "Requests are answered 429.",
        {
            "operation": _operation("*"),
            "retry_after": Param(int, 1, "Retry-After, seconds"),
            "header": Param(bool, True, "whether the Retry-After header is sent; else only RateLimit tells"),
        },
    ),
    FaultKind(
        "server-error",
        "Reads are answered 5xx; nothing is done.",
        {
            "operation": _operation(READS),
            "status": Param(int, 503, "HTTP status", (500, 502, 503, 504)),
            "body": Param(str, "json", "json: a problem document; html: a proxy's page; empty", _BODIES),
        },
    ),
    FaultKind(
        "odd-body",
        "What was asked is done, and the answer has its status, but the body is a proxy's page or empty.",
        {
            "operation": _operation("*"),
            "body": Param(str, "empty", "html: a proxy's page; empty", ("html", "empty")),
        },
    ),
    FaultKind(
        "agent-refused",
        "The front refuses clients whose User-Agent is like this with 403 and its own text, as it always does "
        "Python-urllib's.",
        {"agent": _only("a User-Agent")},
    ),
    FaultKind(
        "graphql-gone",
        "GraphQL is no longer served, or no longer knows the balance.",
        {"reading": Param(str, "410", "the status; or schema: the field is unknown", ("410", "404", "schema"))},
    ),
    FaultKind(
        "drops-line",
        "The connection is dropped before anything is done.",
        {"operation": _operation("*")},
    ),
    FaultKind(
        "latency",
        "Answers come this much later.",
        {"operation": _operation("*"), "seconds": Param(float, 1.0, "seconds")},
    ),
    FaultKind(
        "graphql-gone",
        "GraphQL has been switched off, as is announced; the balance is nowhere else.",
        {
            "reading": Param(
                str,
                "410",
                "410, 404: that status; schema: it no longer knows the fields; html: a page instead of JSON",
                ("410", "404", "schema", "html"),
            )
        },
    ),
    # The other reading of what is in doubt
    FaultKind(
        "volume-delete-unguarded",
        "A network volume is deleted although pods use it; else that is refused with 400.",
    ),
    FaultKind(
        "template-delete-unguarded",
        "A template is deleted although a pod was made from it; else that is refused with 400.",
    ),
    FaultKind(
        "lower-case-data-center",
        "A data centre in lower case is taken at a create, and broken later; else it is unknown.",
    ),
    FaultKind(
        "older-service",
        "The API as first published: no paging, no secrets, no cmd, entrypoint, minRamPerGpu, minVcpuCountPerGpu.",
    ),
    FaultKind(
        "as-in-example",
        "A PROVISIONING pod looks as in the API description: machine known, runtime {}, may start but not stop.",
        {"name": _NAME},
    ),
    FaultKind(
        "blames-valid-fields",
        "When a required field is missing, the validator lists all the valid fields as not allowed, too.",
    ),
    FaultKind(
        "data-center-priority",
        "A create may say dataCenterPriority: with custom, dataCenterIds are tried in their order; else it is unknown.",
    ),
    FaultKind(
        "title-case-enums",
        "The catalogue spells what is left High, Medium, Low, None instead of HIGH, MEDIUM, LOW, NONE.",
    ),
    FaultKind(
        "cpu-disk-cap",
        "A CPU pod's container disk may have at most so many GB for each vCPU; a create that asks for more gets 400.",
        {"gb": Param(int, 10, "GB for each vCPU")},
    ),
    FaultKind(
        "pod-key-no-rights",
        "The key that a pod finds in RUNPOD_API_KEY may do nothing; else it may read and end its own pod.",
    ),
)

KINDS: Mapping[str, FaultKind] = {kind.name: kind for kind in _ALL}
