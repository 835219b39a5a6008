# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What RunPod's refusals mean: whether the next offer is worth a try, and which option it was."""

from __future__ import annotations

import pytest

from ansible_collections.podyard.gpu.plugins.module_utils._core import errors
from ansible_collections.podyard.gpu.plugins.module_utils._core.pod import Cpu, Mount
from ansible_collections.podyard.gpu.plugins.module_utils._providers.runpod import validation
from ansible_collections.podyard.gpu.tests.unit.fakes import cloud

CAPACITY = "There are no longer any instances available with the requested specifications"
NO_DISK = "There are no longer any instances available with enough disk space"
VOLUME = Mount("network", "/w", volume_id="v1")


def refused(kind, status, detail, **changes):
    error = kind("Could not rent.", status=status, detail=detail, request_id="r1")
    return validation.of_create(error, cloud.request("x", **changes))


@pytest.mark.parametrize(
    ("kind", "status", "detail", "becomes", "elsewhere"),
    [
        (errors.BadRequest, 400, CAPACITY, errors.NoCapacity, "yes"),
        (errors.BadRequest, 400, NO_DISK, errors.NoCapacity, "yes"),
        (errors.BadRequest, 400, "request could not be processed", errors.BadRequest, "once"),
        (errors.BadRequest, 400, 'Field "x" is not defined by type "Y"', errors.BadRequest, "once"),
        (errors.BadRequest, 422, CAPACITY, errors.BadRequest, "no"),
        (errors.BadRequest, 413, "too large", errors.BadRequest, "no"),
        (errors.AuthError, 401, "invalid api key", errors.AuthError, "no"),
        (errors.PaymentRequired, 402, "insufficient balance", errors.PaymentRequired, "no"),
        (errors.Forbidden, 403, "access denied", errors.Forbidden, "yes"),
        (errors.Blocked, 403, "error code: 1010", errors.Blocked, "no"),
        (errors.NotFound, 404, "resource not found", errors.NotFound, "no"),
        (errors.Conflict, 409, "conflict", errors.Conflict, "no"),
        (errors.Ambiguous, 500, CAPACITY, errors.Ambiguous, "no"),
        (errors.RateLimited, 429, "rate limit exceeded", errors.RateLimited, "no"),
        (errors.Ambiguous, None, None, errors.Ambiguous, "no"),
    ],
)
def test_each_refusal_says_whether_the_next_offer_is_worth_a_try(kind, status, detail, becomes, elsewhere):
    error = refused(kind, status, detail)
    assert error.__class__ is becomes
    assert error.elsewhere == elsewhere
    assert (error.status, error.detail, error.request_id) == (status, detail, "r1")
    assert str(error) == error.message


@pytest.mark.parametrize(
    ("kind", "status", "detail", "changes", "words"),
    [
        (errors.BadRequest, 400, CAPACITY, {"regions": ("EU-1",)}, "data_centers is kept strictly"),
        (errors.BadRequest, 400, CAPACITY, {"cuda_versions": ("12.8",)}, "min_cuda_version finds more hosts"),
        (errors.BadRequest, 400, CAPACITY, {"min_vcpu_count_per_gpu": 16}, "lower min_ram_per_gpu"),
        (errors.BadRequest, 400, NO_DISK, {}, "smaller disk"),
        (errors.BadRequest, 400, "oh", {"network_volume": VOLUME}, "network volume v1"),
        (errors.PaymentRequired, 402, "x", {}, "credit for at least one hour"),
        (errors.Forbidden, 403, "x", {}, "may not rent NVIDIA RTX 4090"),
        (errors.Forbidden, 403, "x", {"cpu": Cpu("cpu5c", 4)}, "may not rent 4 vCPUs of cpu5c"),
        (errors.NotFound, 404, "x", {"template_id": "t1"}, "option template (t1)"),
        (errors.NotFound, 404, "x", {"registry": "r9"}, "option registry (r9)"),
        (errors.NotFound, 404, "x", {"network_volume": VOLUME}, "option network_volume (v1)"),
        (errors.NotFound, 404, "x", {}, "option api_url"),
        (errors.BadRequest, 413, "x", {}, "options env and args"),
        (errors.BadRequest, 422, "image not found", {"template_id": "t1"}, f"image ({cloud.IMAGE}) and template (t1)"),
    ],
)
def test_a_refusal_names_option_and_remedy(kind, status, detail, changes, words):
    assert words in refused(kind, status, detail, **changes).message


@pytest.mark.parametrize(
    ("words", "advice"),
    [
        (
            "Request validation failed: $.gpu: additional properties 'minRamPerGpu', 'count' not allowed",
            (
                " That is: this service does not know minRamPerGpu: leave the option min_ram_per_gpu out; this service "
                "does not know count: leave the option gpu_count out."
            ),
        ),
        (
            "Request validation failed: $: missing property 'image'; $: additional properties 'name' not allowed",
            " That is: the option image is needed.",
        ),
        (
            "Request validation failed: $.mounts.network[0].path: got number, want string",
            " That is: the value of the option path is not allowed.",
        ),
        (
            "Request validation failed: $.cloud: value must be one of 'SECURE', 'COMMUNITY'",
            " That is: the value of the option clouds is not allowed.",
        ),
        ("image x is not on its registry", ""),
    ],
)
def test_the_schemas_fields_are_told_as_options(words, advice):
    assert validation.schema_advice(words) == advice


@pytest.mark.parametrize(
    ("status", "changes", "words"),
    [
        (409, {"disk_gb": 40}, "locked: false"),
        (404, {"registry": "r9"}, "option registry (r9)"),
        (400, {"disk_gb": 40, "image": "x"}, "The requested change was: disk, image. Nothing was changed."),
        (422, {"disk_gb": 40}, "the value of the option disk is not allowed"),
        (
            422,
            {"disk_gb": 40, "mount_path": "/d"},
            "The requested change was: disk, path of the mount. Nothing was changed.",
        ),
        (413, {"disk_gb": 40, "env": {}}, "The requested change was: disk, env."),
        (404, {"template": "t9", "registry": "r9"}, "option registry (r9) or template (t9) is wrong"),
    ],
)
def test_a_refused_change_names_what_it_was_about(status, changes, words):
    error = errors.BadRequest("Could not change.", status=status, detail="Request failed: $.disk: too small")
    assert words in validation.of_update(error, changes).message


def test_the_filters_of_a_request_are_told_completely():
    told = validation.asked(
        cloud.request(
            "x",
            regions=("EU-1", "US-1"),
            min_cuda_version="12.8",
            min_ram_per_gpu=64,
            min_vcpu_count_per_gpu=8,
            volume=Mount("disk", "/w", 50),
            global_networking=True,
            disk_gb=None,
        )
    )
    assert told == (
        "1 x NVIDIA RTX 4090; cloud SECURE; disk as in the template; data centres EU-1, US-1; CUDA 12.8 or later; "
        "64 GB of memory per GPU; 8 vCPUs per GPU; volume 50 GB; global networking"
    )
    assert validation.asked(cloud.request("x", cpu=Cpu("cpu5c", 4), cuda_versions=("12.4",))) == (
        "4 vCPUs of cpu5c; cloud SECURE; disk 20 GB; data centres any; CUDA exactly 12.4"
    )
