import pytest
from podhatch.cli.errors import UsageError
from podhatch.cli.lookup import check_namespace, given_name
from podhatch.client.objects import is_name
from podhatch.cluster import CRON_WORKFLOW, WORKFLOW, WORKFLOW_RUN, Kind


@pytest.mark.parametrize(
    ("kind", "given", "name"),
    [
        (WORKFLOW_RUN, "orders-1", "orders-1"),
        (WORKFLOW_RUN, "workflowrun.podhatch.dev/orders-1", "orders-1"),
        (WORKFLOW_RUN, "WorkflowRun/orders-1", "orders-1"),
        (WORKFLOW_RUN, "workflowruns/orders-1", "orders-1"),
        (WORKFLOW_RUN, "wfr/orders-1", "orders-1"),
        (WORKFLOW, "workflow.podhatch.dev/Word report", "Word report"),
        (WORKFLOW, "wf/orders", "orders"),
        (CRON_WORKFLOW, "cronworkflow.podhatch.dev/mornings", "mornings"),
        (CRON_WORKFLOW, "*/5 * * * *", "*/5 * * * *"),
        (WORKFLOW_RUN, "workflow/orders", "workflow/orders"),
    ],
)
def test_a_name_may_have_its_kind_before_it(kind: Kind, given: str, name: str):
    assert given_name(kind, given) == name


@pytest.mark.parametrize("given", ["", "wfr/"])
def test_an_empty_name_is_a_usage_error(given: str):
    with pytest.raises(UsageError, match="expected the name of a WorkflowRun, got an empty"):
        given_name(WORKFLOW_RUN, given)


def test_a_name_that_changes_the_path_is_invalid():
    assert is_name("orders-1.2")
    assert not any(map(is_name, ("", "x?y", "a/b", "..", "A", "é")))


@pytest.mark.parametrize("name", ["a/b", "", "Team", "a.b", "-a"])
def test_an_invalid_namespace_is_a_usage_error(name: str):
    check_namespace(None)
    check_namespace("team-a")
    with pytest.raises(UsageError, match="expected lower-case letters, digits and hyphens, got"):
        check_namespace(name)
