# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The request bodies as in the API's schema: types, limits, and no unknown fields."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

_CUDA = r"^\d+\.\d+$"
_SECRET_NAME = r"^[A-Za-z_][A-Za-z0-9_./-]*$"
_SSH_KEY = r"^(ssh|ecdsa|sk)-[^\s]+ [^\s]+([ \t][^\n\r]*)?$"


def _whole(value: Any) -> Any:
    """Convert 40.0 to 40: JSON does not tell integers from floats."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _no_null(value: Any) -> Any:
    """Refuse null for a field that may only be left out."""
    if value is None:
        raise PydanticCustomError("dict_type", "null is not an object")
    return value


def _not_ours(name: str) -> str:
    """Refuse a secret's name that the service reserves; the words are made up."""
    if name.upper().startswith("RUNPOD"):
        raise PydanticCustomError("reserved", "must not begin with RUNPOD")
    return name


NoNull = BeforeValidator(_no_null)
Int = Annotated[int, BeforeValidator(_whole)]
CudaVersion = Annotated[str, Field(pattern=_CUDA)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    def given(self, name: str) -> bool:
        """Return whether the request has the field, even as null."""
        return name in self.model_fields_set


class Gpu(_Body):
    """The GPUs of a create."""

    id: str
    count: Annotated[Int, Field(ge=1)] = 1
    allowedCudaVersions: list[CudaVersion] = Field(default_factory=list)
    minCudaVersion: CudaVersion = ""
    minRamPerGpu: Annotated[Int, Field(ge=1)] = 1
    minVcpuCountPerGpu: Annotated[Int, Field(ge=1)] = 1


class Cpu(_Body):
    """The CPUs of a create."""

    id: Annotated[str, Field(min_length=1)]
    vcpuCount: Annotated[Int, Field(ge=2)]


class PersistentMount(_Body):
    """A volume disk on the pod's own host; its size in GB."""

    size: Annotated[Int, Field(ge=10)]
    path: str


class NetworkMount(_Body):
    """Return a network volume as this API shows it."""

    volumeId: str
    path: str


class Mounts(_Body):
    """Storage that outlives the container."""

    persistent: Annotated[PersistentMount | None, NoNull] = None
    network: Annotated[list[NetworkMount], Field(max_length=1)] = Field(default_factory=list)


class _Settings(_Body):
    """What pods and templates have in common."""

    image: str = ""
    args: str = ""
    cmd: list[str] = Field(default_factory=list)
    entrypoint: list[str] = Field(default_factory=list)
    disk: Annotated[Int, Field(ge=1)] = 50
    ports: list[str] = Field(default_factory=list)
    env: dict[str, str] = Field(default_factory=dict)
    registry: str | None = None


class _Container(_Settings):
    mounts: Mounts = Field(default_factory=Mounts)
    globalNetworking: bool = False
    templateId: Annotated[str, Field(min_length=1)] = "-"


class CreatePod(_Container):
    """``POST /v2/pods``. ``image`` is required without ``templateId``, which is checked elsewhere."""

    name: Annotated[str, Field(min_length=1)]
    cloud: Literal["SECURE", "COMMUNITY"] = "SECURE"
    gpu: Annotated[Gpu | None, NoNull] = None
    cpu: Annotated[Cpu | None, NoNull] = None
    dataCenterIds: list[str] = Field(default_factory=list)
    dataCenterPriority: Literal["availability", "custom"] = "availability"
    startSsh: bool = False
    startJupyter: bool = False


class UpdatePod(_Container):
    """``PATCH /v2/pods/{id}``: only the fields that are given change."""

    name: Annotated[str, Field(min_length=1)] = "-"
    locked: bool = False


class PodAction(_Body):
    """``POST /v2/pods/{id}/action``."""

    action: Literal["start", "stop", "restart", "terminate"]


class UpdateSshKeys(_Body):
    """``PUT /v2/account/ssh-keys``: all keys of the account."""

    keys: list[Annotated[str, Field(pattern=_SSH_KEY)]]


class CreateVolume(_Body):
    """``POST /v2/network-volumes``."""

    name: Annotated[str, Field(min_length=1)]
    size: Annotated[Int, Field(ge=10, le=4096)]
    dataCenter: Annotated[str, Field(min_length=1)]
    type: Annotated[Literal["STANDARD", "HIGH_PERFORMANCE"] | None, NoNull] = None


class UpdateVolume(_Body):
    """``PATCH /v2/network-volumes/{id}``; that it is not empty is checked elsewhere."""

    name: Annotated[str, Field(min_length=1)] = "-"
    size: Annotated[Int, Field(ge=10, le=4096)] = 10


class CreateRegistry(_Body):
    """``POST /v2/registries``."""

    name: Annotated[str, Field(min_length=1)]
    username: Annotated[str, Field(min_length=1)]
    password: Annotated[str, Field(min_length=1)]


class TemplateMounts(_Body):
    """A template's storage: no network volume."""

    persistent: Annotated[PersistentMount | None, NoNull] = None


class UpdateTemplate(_Settings):
    """``PATCH /v2/templates/{id}``: only the fields that are given change."""

    name: Annotated[str, Field(min_length=1)] = "-"
    mounts: TemplateMounts = Field(default_factory=TemplateMounts)
    serverless: bool = False
    public: bool = False
    category: Literal["CPU", "NVIDIA", "AMD"] = "NVIDIA"
    startSsh: bool = True
    startJupyter: bool = True
    allowedCudaVersions: list[CudaVersion] = Field(default_factory=list)


class CreateTemplate(UpdateTemplate):
    """``POST /v2/templates``."""

    name: Annotated[str, Field(min_length=1)]
    image: str


class UpdateSecret(_Body):
    """``PATCH /v2/secrets/{id}``; that it is not empty is checked elsewhere."""

    value: Annotated[str, Field(min_length=1)] = "-"
    description: str = ""


class CreateSecret(UpdateSecret):
    """``POST /v2/secrets``."""

    name: Annotated[str, AfterValidator(_not_ours), Field(max_length=191, pattern=_SECRET_NAME)]
    value: Annotated[str, Field(min_length=1)]


# Fields added after the API was first published, by their place in the body.
NEWER_FIELDS = {"$": ("cmd", "entrypoint"), "$.gpu": ("minRamPerGpu", "minVcpuCountPerGpu")}
# Fields that one client was seen to send, and that no description contains.
DOUBTFUL_FIELDS = {"$": ("dataCenterPriority",)}
