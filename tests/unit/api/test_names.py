"""Names of objects: valid for Kubernetes whatever a user calls things, and never the same twice."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from podhatch.api.names import (
    MAX_RUN_NAME,
    TASK_NAME_PATTERN,
    job_name,
    new_run_name,
    object_name,
    rate_limit_name,
    short_hash,
)

DNS_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")
DNS_SUBDOMAIN = re.compile(rf"{DNS_LABEL.pattern}(\.{DNS_LABEL.pattern})*")
MAX_JOB_NAME = 57  # leaves a pod's name its dash and five characters

anything = st.text(min_size=1, max_size=300)
dns_labels = st.from_regex(DNS_LABEL, fullmatch=True)
task_names = st.from_regex(TASK_NAME_PATTERN, fullmatch=True)


@given(anything)
def test_every_true_name_has_an_object_name(true_name: str) -> None:
    name = object_name(true_name)
    assert DNS_LABEL.fullmatch(name)
    assert len(name) <= 50


@pytest.mark.parametrize(
    ("true_name", "start"),
    [
        ("orders", "orders"),
        ("My Workflow.v2", "my-workflow-v2-"),
        ("a" * 51, "a" * 41 + "-"),
        ("日本", "x-"),
    ],
)
def test_object_names_can_be_recognised(true_name: str, start: str) -> None:
    assert object_name(true_name).startswith(start)


@given(anything, anything)
def test_two_true_names_never_share_an_object_name(one: str, other: str) -> None:
    assert (object_name(one) == object_name(other)) == (one == other)


@pytest.mark.parametrize("key", ["mail", "api.example.com", "notification"])
def test_a_rate_limit_has_its_key_as_name(key: str) -> None:
    assert rate_limit_name(key) == key


@given(anything | dns_labels)
def test_two_keys_never_share_a_rate_limit(key: str) -> None:
    name = rate_limit_name(key)
    assert DNS_SUBDOMAIN.fullmatch(name)
    assert len(name) <= 63
    assert rate_limit_name(name) == name if key == name else rate_limit_name(name) != name


@given(dns_labels.filter(lambda n: len(n) <= 63), st.uuids(), task_names, st.integers(1, 10**6))
def test_job_names_leave_room_for_the_pods_suffix(run: str, uid: object, task: str, n: int) -> None:
    name = job_name(run, str(uid), task, n)
    assert DNS_LABEL.fullmatch(name)
    assert len(name) <= MAX_JOB_NAME + 2  # attempts of up to four digits keep to the limit itself
    assert n >= 10**4 or len(name) <= MAX_JOB_NAME


def test_job_names_differ_by_run_task_and_attempt() -> None:
    names = {
        job_name("run", uid, task, attempt)
        for uid in ("u1", "u2")
        for task in ("Task.a", "task-a", "task_a")
        for attempt in (1, 2)
    }
    assert len(names) == 12


@given(anything)
def test_run_names_are_short_enough_for_a_label(workflow: str) -> None:
    name = new_run_name(object_name(workflow), "k2x9f")
    assert DNS_LABEL.fullmatch(name)
    assert len(name) <= MAX_RUN_NAME
    assert name.endswith("-k2x9f")


def test_a_hash_is_the_same_each_time() -> None:
    assert short_hash("orders") == short_hash("orders")
    assert len(short_hash("orders", 6)) == 6
