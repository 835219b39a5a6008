# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine for declared resources, with a kind that no provider has."""

from __future__ import annotations

import pytest

from ansible_collections.podyard.gpu.plugins.module_utils._core import errors
from ansible_collections.podyard.gpu.plugins.module_utils._http.session import ApiSession
from ansible_collections.podyard.gpu.plugins.module_utils._resources.reconcile import ensure
from ansible_collections.podyard.gpu.plugins.module_utils._resources.resource import (
    Field,
    Page,
    Resource,
    ResourceSpec,
    ResourceStore,
)
from ansible_collections.podyard.gpu.tests.unit.fakes.cloud import FakeTime
from ansible_collections.podyard.gpu.tests.unit.fakes.conversation import KEY, Conversation, expect

SECRET = "correct-horse-battery"
TAKEN = {"users": []}
OWNER = Resource("owner", "owner", "/owners", Page("owners"), ())
THING = Resource(
    kind="thing",
    title="thing",
    path="/things",
    page=Page("things", lambda data: {"after": data["next"]} if data.get("next") else None),
    fields=(
        Field("size_gb", "size", required=True, grows=True, check=lambda value: "is too small." if value < 1 else None),
        Field("place", "where", str.upper, fixed="Things do not move: make another one."),
        Field("words", "words", list, lambda value: sorted(value or []), default=["b", "a"]),
        Field("env", "env", dict, lambda value: dict(value or {}), secret=True),
        Field("note", "note", from_wire=lambda value: value or ""),
        Field("owner", "ownerId", refers="owner"),
        Field("token", "token", write_only=True),
    ),
    derive=lambda values: {"usd": 2 * (values["size_gb"] or 0)},
    remark=lambda values: f"It costs {values['usd']}.",
    advice=lambda values: ["Small things get lost."] if values["size_gb"] == 1 else [],
    users=lambda store, _raw: [f"the user {name}" for name in TAKEN["users"]],
    free="Send them away.",
    gone="Thing not found",
)
RAW = {"id": "t1", "name": "x", "size": 5, "where": "HERE", "words": ["a", "b"], "env": {"A": SECRET, "B": "2"}}
SHOWN = {
    "id": "t1",
    "name": "x",
    "size_gb": 5,
    "place": "HERE",
    "words": ["a", "b"],
    "env": {"A": "(set)", "B": "(set)"},
    "note": "",
    "owner": None,
    "usd": 10,
}
LIST = expect("GET", "/things")


def listed(*things):
    return LIST.reply({"things": list(things)})


NOTHING = listed()


@pytest.fixture(name="time")
def made_time():
    TAKEN["users"] = []
    return FakeTime()


@pytest.fixture(name="bring")
def bringing(time):
    """Bring the thing x into a state over a scripted conversation; the time of its waits is fake."""

    def bring(
        *script, state="present", check=False, patience=0.0, name="x", id=None, renew=False, kind=THING, **values
    ):
        wanted = ResourceSpec(id=id, name=name, values=values, renew=renew)
        with Conversation(*script) as api:
            session = ApiSession("Cloud", api.url, KEY, clock=time.clock)
            store = ResourceStore(session, kind, {"owner": OWNER}, polls=time.polls(), grace=30.0)
            return ensure(store, wanted, state, check=check, patience=patience)

    return bring


def failing(bring, expected, /, *script, **arguments):
    with pytest.raises(expected) as caught:
        bring(*script, **arguments)
    return caught.value.message


# -- create


def test_what_is_not_there_is_made_of_the_options_and_the_defaults(bring):
    body = {"name": "x", "size": 5, "where": "HERE", "words": ["b", "a"], "env": {"A": SECRET, "B": "2"}, "token": "s"}
    made = expect("POST", "/things", body=body).reply(RAW, 201)
    outcome = bring(NOTHING, made, size_gb=5, place="here", env={"A": SECRET, "B": "2"}, token="s", note="")
    assert (outcome.changed, outcome.before, outcome.after) == (True, None, SHOWN)
    assert outcome.message == "The thing x (t1) was created. It costs 10."
    assert SECRET not in repr(outcome)


def test_check_mode_predicts_what_is_made(bring):
    outcome = bring(NOTHING, check=True, size_gb=5, place="here", env={"A": SECRET, "B": "2"}, token="s")
    assert (outcome.changed, outcome.before, outcome.after) == (True, None, {**SHOWN, "id": None})
    assert outcome.message == "The thing x would be created. It costs 10."


def test_what_a_create_needs_is_said_before_it_is_sent(bring):
    assert "To create the thing x, also set: size_gb." in failing(bring, errors.BadRequest, NOTHING)
    assert "no thing with the id 't9'" in failing(bring, errors.BadRequest, NOTHING, id="t9", size_gb=5)


def test_wrong_values_are_refused_before_any_request(bring):
    assert "size_gb is too small." in failing(bring, errors.BadRequest, size_gb=0)
    assert "name is empty" in failing(bring, errors.BadRequest, name=" ", size_gb=5)


def test_an_object_that_is_named_is_sent_by_its_id(bring):
    owners = expect("GET", "/owners").reply({"owners": [{"id": "o1", "name": "me"}]})
    made = expect("POST", "/things", body=lambda body: body["ownerId"] == "o1").reply({**RAW, "ownerId": "o1"})
    assert bring(NOTHING, owners, made, size_gb=5, owner="me").after["owner"] == "o1"
    assert not bring(listed({**RAW, "ownerId": "o1"}), owners, owner="me").changed
    assert "no owner with the id or name 'you'" in failing(
        bring, errors.BadRequest, NOTHING, owners, size_gb=5, owner="you"
    )


def test_a_warning_comes_with_what_was_made(bring):
    made = expect("POST", "/things").reply({**RAW, "size": 1})
    assert bring(NOTHING, made, size_gb=1).warnings == ("Small things get lost.",)


@pytest.mark.parametrize("trouble", ["dropped", "500", "no object"])
def test_a_create_without_an_answer_is_found_by_its_name_and_not_sent_again(bring, time, trouble):
    post = expect("POST", "/things")
    lost = {"dropped": post.drop(), "500": post.problem(500, "oops"), "no object": post.reply({"success": True})}[
        trouble
    ]
    outcome = bring(NOTHING, lost, NOTHING, NOTHING, listed(RAW), size_gb=5)
    assert (outcome.changed, outcome.after) == (True, SHOWN)
    assert "found by its name" in outcome.warnings[0]
    assert sum(time.slept) >= 10


def test_what_never_appears_is_ambiguous_and_was_sent_once(bring, time):
    absences = [NOTHING] * 8
    message = failing(bring, errors.Ambiguous, NOTHING, expect("POST", "/things").drop(), *absences, size_gb=5)
    assert "The request was sent once, and no thing x appeared within 30 s" in message
    assert sum(time.slept) >= 30


def test_a_list_that_fails_after_a_lost_create_is_no_absence(bring):
    down = [LIST.problem(404, "not now")] * 2
    outcome = bring(NOTHING, expect("POST", "/things").drop(), *down, listed(RAW), size_gb=5)
    assert outcome.after["id"] == "t1"
    refused = LIST.problem(401, "invalid api key")
    message = failing(bring, errors.AuthError, NOTHING, expect("POST", "/things").drop(), refused, size_gb=5)
    assert "The object may exist" in message


def test_two_that_appear_are_not_chosen_between(bring):
    both = listed(RAW, {**RAW, "id": "t2"})
    message = failing(bring, errors.Conflict, NOTHING, expect("POST", "/things").drop(), both, size_gb=5)
    assert "t1" in message
    assert "t2" in message


def test_a_refusal_names_the_option_and_no_secret(bring):
    refused = expect("POST", "/things").problem(422, "Request validation failed.", [f"$.size: odd; $.env.A: {SECRET}"])
    message = failing(bring, errors.BadRequest, NOTHING, refused, size_gb=7, env={"A": SECRET})
    assert "the option size_gb is 7" in message
    assert SECRET not in message
    assert "the option env is a secret" in message


# -- change


def test_what_is_as_wanted_is_left_alone(bring):
    outcome = bring(listed(RAW), size_gb=5, place="Here", words=["b", "a"], env={"A": SECRET, "B": "2"}, token="new")
    assert (outcome.changed, outcome.before, outcome.after) == (False, SHOWN, SHOWN)
    assert outcome.message == "The thing x (t1) is already as requested."


def test_only_what_differs_is_sent(bring):
    patch = expect("PATCH", "/things/t1", body={"size": 8, "env": {"A": "another-secret", "C": "1"}})
    after = {**RAW, "size": 8, "env": {"A": "another-secret", "C": "1"}}
    values = {"size_gb": 8, "place": "here", "env": {"A": "another-secret", "C": "1"}}
    outcome = bring(listed(RAW), patch.reply(after), **values)
    assert outcome.changes == ("size_gb", "env")
    assert outcome.after == {**SHOWN, "size_gb": 8, "usd": 16, "env": {"A": "(changed)", "C": "(changed)"}}
    predicted = bring(listed(RAW), check=True, **values)
    assert (predicted.changed, predicted.before, predicted.after) == (True, outcome.before, outcome.after)
    assert "would be changed: size_gb, env. It costs 16." in predicted.message


@pytest.mark.parametrize("check", [False, True])
def test_what_cannot_be_changed_is_refused_before_any_change(bring, check):
    message = failing(bring, errors.BadRequest, listed(RAW), size_gb=4, place="there", check=check)
    assert "size_gb is 5 and can only grow, not shrink to 4" in message
    assert "place is HERE and cannot be changed to THERE. Things do not move" in message


def test_a_change_that_gets_no_answer_is_looked_at(bring):
    patch = expect("PATCH", "/things/t1").drop()
    assert bring(listed(RAW), patch, listed({**RAW, "size": 8}), size_gb=8).after["size_gb"] == 8
    message = failing(bring, errors.Ambiguous, listed(RAW), patch, listed(RAW), size_gb=8)
    assert "Whether the change was made is unknown" in message


def test_a_change_that_is_accepted_and_not_made_is_said(bring):
    outcome = bring(listed(RAW), expect("PATCH", "/things/t1").reply(RAW), size_gb=8)
    assert "still reports the old size_gb" in outcome.warnings[0]
    outcome = bring(listed(RAW), expect("PATCH", "/things/t1").reply(None, 204), listed({**RAW, "size": 8}), size_gb=8)
    assert (outcome.warnings, outcome.after["size_gb"]) == ((), 8)


def test_by_its_id_it_gets_another_name(bring):
    patch = expect("PATCH", "/things/t1", body={"name": "y"})
    outcome = bring(listed(RAW), patch.reply({**RAW, "name": "y"}), id="t1", name="y")
    assert (outcome.changes, outcome.after["name"]) == (("name",), "y")
    assert bring(listed(RAW), check=True, id="t1", name="y").after["name"] == "y"
    assert not bring(listed(RAW), id="t1", name=None).changed
    other = {**RAW, "id": "t2", "name": "y"}
    assert "The name 'y' already belongs to the thing y (t2)." in failing(
        bring, errors.BadRequest, listed(RAW, other), id="t1", name="y"
    )


def test_two_of_one_name_are_not_guessed_between(bring):
    message = failing(bring, errors.BadRequest, listed(RAW, {**RAW, "id": "t2"}), size_gb=8)
    assert "(t1, t2)" in message


def test_an_unreadable_list_makes_nothing(bring):
    failing(bring, errors.BadAnswer, LIST.reply({"things": None}), size_gb=5)
    failing(bring, errors.ServerError, *[LIST.problem(500, "oops")] * 5, size_gb=5)


# -- delete


def test_it_is_deleted_and_then_absent(bring):
    outcome = bring(listed(RAW), expect("DELETE", "/things/t1").reply(None, 204), state="absent")
    assert (outcome.changed, outcome.before, outcome.after) == (True, SHOWN, None)
    outcome = bring(NOTHING, state="absent")
    assert (outcome.changed, outcome.before, outcome.after) == (False, None, None)
    assert not bring(listed(RAW), state="absent", id="t9").changed


def test_check_mode_deletes_nothing(bring):
    outcome = bring(listed(RAW), state="absent", check=True)
    assert (outcome.changed, outcome.before, outcome.after) == (True, SHOWN, None)


def test_what_goes_while_it_is_deleted_is_gone(bring):
    outcome = bring(listed(RAW), expect("DELETE", "/things/t1").problem(404, "not found"), state="absent")
    assert outcome.changed
    assert "no longer existed" in outcome.warnings[0]


def test_a_bad_request_about_what_another_has_just_deleted(bring):
    refused = expect("DELETE", "/things/t1").problem(400, "Thing not found")
    outcome = bring(listed(RAW), refused, state="absent")
    assert outcome.changed
    assert "no longer existed" in outcome.warnings[0]


@pytest.mark.parametrize("check", [False, True])
def test_what_is_used_is_not_deleted(bring, check):
    TAKEN["users"] = ["a", "b"]
    message = failing(bring, errors.Conflict, listed(RAW), state="absent", check=check)
    assert message == "The thing x (t1) is in use by the user a, the user b, and was not deleted. Send them away."


def test_a_wait_for_the_users_ends_with_them(bring, time):
    TAKEN["users"] = ["a"]
    slept = time.sleep

    def leave(seconds):
        slept(seconds)
        if time.now >= 1020:
            TAKEN["users"] = []

    time.sleep = leave
    assert bring(listed(RAW), expect("DELETE", "/things/t1").reply(None, 204), state="absent", patience=60).changed
    TAKEN["users"] = ["a"]
    time.now = 0
    message = failing(bring, errors.Conflict, listed(RAW), state="absent", patience=15)
    assert "was not deleted after a wait of 15 s" in message
    predicted = bring(listed(RAW), state="absent", patience=15, check=True)
    assert "a real run waits up to 15 s" in predicted.warnings[0]


def test_a_refused_delete_is_repeated_while_there_is_patience(bring):
    refused = expect("DELETE", "/things/t1").problem(400, "in use")
    assert bring(
        listed(RAW), refused, refused, expect("DELETE", "/things/t1").reply(None, 204), state="absent", patience=60
    ).changed
    message = failing(bring, errors.BadRequest, listed(RAW), refused, state="absent")
    assert "in use" in message
    assert "Nothing was deleted. Send them away." in message


# -- replace


def test_what_cannot_be_compared_is_replaced(bring):
    delete = expect("DELETE", "/things/t1").reply(None, 204)
    made = {**RAW, "id": "t2"}
    outcome = bring(listed(RAW), delete, expect("POST", "/things").reply(made), renew=True, size_gb=5, token="new")
    assert (outcome.before["id"], outcome.after["id"]) == ("t1", "t2")
    predicted = bring(listed(RAW), renew=True, size_gb=5, token="new", check=True)
    assert (predicted.changed, predicted.after["id"]) == (True, None)
    assert "would be deleted and created again" in predicted.message


def test_a_replacement_that_cannot_be_made_deletes_nothing(bring):
    assert "To create the thing x, also set: size_gb." in failing(bring, errors.BadRequest, listed(RAW), renew=True)


def test_a_replacement_that_fails_half_way_says_so(bring):
    delete = expect("DELETE", "/things/t1").reply(None, 204)
    refused = expect("POST", "/things").problem(400, "no")
    message = failing(bring, errors.BadRequest, listed(RAW), delete, refused, renew=True, size_gb=5)
    assert "The thing x (t1) was already deleted" in message


def test_the_replaced_one_is_not_taken_for_the_new_one(bring):
    delete = expect("DELETE", "/things/t1").reply(None, 204)
    lost = expect("POST", "/things").drop()
    new = {**RAW, "id": "t2"}
    outcome = bring(listed(RAW), delete, lost, listed(RAW), listed(RAW, new), renew=True, size_gb=5)
    assert outcome.after["id"] == "t2"


def test_what_can_only_be_replaced_gets_no_other_name(bring):
    fixed = Resource("thing", "thing", "/things", Page("things"), (), update="")
    message = failing(bring, errors.BadRequest, listed(RAW), kind=fixed, id="t1", name="y")
    assert "cannot be renamed" in message


def test_a_bare_array_is_a_list_too(bring):
    bare = Resource("thing", "thing", "/things", Page(""), (), update="")
    assert not bring(LIST.reply([RAW]), kind=bare).changed


def test_all_pages_are_looked_through(bring):
    first = expect("GET", "/things", query={}).reply({"things": [], "next": "2"})
    last = expect("GET", "/things", query={"after": "2"}).reply({"things": [RAW]})
    assert not bring(first, last, size_gb=5).changed
