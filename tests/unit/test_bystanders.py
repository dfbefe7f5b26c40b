"""The check of what was in the cluster before the tests finds what they changed."""

from tests.bystanders import States, differences

BEFORE: States = {
    "WorkflowRun a/done-1": {"uid": "1", "phase": "Succeeded", "tasks": {"t": ["Succeeded", 1]}},
    "WorkflowRun a/going-1": {"uid": "2", "phase": "Running", "tasks": {"t": ["Running", 1]}},
}


def test_additional_objects_are_not_a_difference():
    assert differences(BEFORE, {**BEFORE, "WorkflowRun b/new": {"uid": "3"}}) == []


def test_an_object_that_is_gone_is_told_once():
    after = {path: state for path, state in BEFORE.items() if "going" not in path}
    assert differences(BEFORE, after) == ["WorkflowRun a/going-1 is gone"]


def test_a_second_attempt_and_an_object_made_again_are_told():
    going = {"uid": "9", "phase": "Running", "tasks": {"t": ["Running", 2]}}
    assert differences(BEFORE, {**BEFORE, "WorkflowRun a/going-1": going}) == [
        "WorkflowRun a/going-1: uid was 2, is 9",
        "WorkflowRun a/going-1: tasks was {'t': ['Running', 1]}, is {'t': ['Running', 2]}",
    ]
