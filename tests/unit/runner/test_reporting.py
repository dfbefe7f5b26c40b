"""The TaskResult first, the termination message always, and what is said when either fails."""

import json
import socket
from pathlib import Path

import pytest
from podhatch.api import pod
from podhatch.api.result import TaskResult

from tests.unit.runner.api_server import ApiServer, make_certificate
from tests.unit.runner.conftest import Pod

RETURNS_ONE = "def charge(input, ctx): return 1"


def returns_text(size: int) -> str:
    """Code of a task whose output has `size` bytes as JSON."""
    return f"def charge(input, ctx): return 'x' * {size - 2}"


@pytest.fixture
def impatient_pod(connected_pod: Pod) -> Pod:
    connected_pod.overrides["podhatch.runner.task_result.PAUSES"] = [0, 0.01, 0.01]
    return connected_pod


def test_a_task_result_is_created_by_one_request(connected_pod: Pod, api: ApiServer) -> None:
    ended = connected_pod.run(RETURNS_ONE)
    assert ended.output == 1
    (request,) = api.requests
    assert request.path == "/apis/podhatch.dev/v1alpha1/namespaces/shop/taskresults"
    assert request.token == "Bearer a-token"
    assert request.body["metadata"] == {
        "name": "orders-1-charge-xyz-2",
        "namespace": "shop",
        "labels": {
            "podhatch.dev/run": "orders-1",
            "podhatch.dev/task": "charge",
            "podhatch.dev/attempt": "2",
        },
        "ownerReferences": [
            {
                "apiVersion": "podhatch.dev/v1alpha1",
                "kind": "WorkflowRun",
                "name": "orders-1",
                "uid": "6d1c",
            }
        ],
    }
    assert request.body["spec"] == ended.message
    assert TaskResult.model_validate(request.body).spec.output == "1"


@pytest.mark.parametrize(
    ("code", "outcome", "exit_code"),
    [
        ("raise ValueError('no card')", "Failed", pod.EXIT_FAILED),
        ("while True: pass", "TimedOut", pod.EXIT_TIMED_OUT),
    ],
)
def test_other_outcomes_are_reported_the_same_way(
    connected_pod: Pod, api: ApiServer, code: str, outcome: str, exit_code: int
) -> None:
    ended = connected_pod.run(
        f"def charge(input, ctx):\n    {code}", PODHATCH_EXECUTION_TIMEOUT_SECONDS="0.3"
    )
    (request,) = api.requests
    assert request.body["spec"] == ended.message
    assert TaskResult.model_validate(request.body).spec.outcome == outcome
    assert ended.exit_code == exit_code


@pytest.mark.parametrize("answers", [[500], [503, 429], [500, 500, 500], [429, 409]])
def test_a_busy_api_server_is_asked_again(
    impatient_pod: Pod, api: ApiServer, answers: list[int]
) -> None:
    api.answers = [*answers]
    ended = impatient_pod.run(RETURNS_ONE)
    assert ended.exit_code == 0
    assert len(api.requests) == len(answers) + (answers[-1] != 409)
    assert ended.stderr == ""


def test_a_result_that_is_already_there_is_fine(connected_pod: Pod, api: ApiServer) -> None:
    api.answers = [409]
    ended = connected_pod.run(RETURNS_ONE)
    assert (ended.exit_code, len(api.requests), ended.stderr) == (0, 1, "")


@pytest.mark.parametrize(("status", "requests"), [(403, 1), (404, 1), (422, 1), (500, 4)])
def test_when_it_is_refused_the_message_still_tells(
    impatient_pod: Pod, api: ApiServer, status: int, requests: int
) -> None:
    api.answers = [status] * requests
    ended = impatient_pod.run(RETURNS_ONE)
    assert ended.output == 1
    assert ended.exit_code == 0
    assert len(api.requests) == requests
    assert f"{status} told to answer {status}" in ended.stderr


def test_a_prepared_connection_that_was_closed_is_replaced(
    connected_pod: Pod, api: ApiServer
) -> None:
    api.drops = 1
    ended = connected_pod.run(RETURNS_ONE)
    assert (ended.exit_code, len(api.requests), ended.stderr) == (0, 1, "")


def test_an_old_prepared_connection_is_not_used(connected_pod: Pod, api: ApiServer) -> None:
    connected_pod.overrides["podhatch.runner.task_result.IDLE_SECONDS"] = 0
    connected_pod.overrides["podhatch.runner.task_result.PAUSES"] = []
    ended = connected_pod.run(RETURNS_ONE)
    assert (ended.exit_code, len(api.requests)) == (0, 1)


def test_an_api_server_that_is_down_leaves_the_message(impatient_pod: Pod) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    ended = impatient_pod.run(RETURNS_ONE, KUBERNETES_SERVICE_PORT=str(port))
    assert ended.output == 1
    assert ended.exit_code == 0
    assert "no answer from the API server" in ended.stderr


def test_a_server_of_another_authority_is_not_trusted(
    connected_pod: Pod, api: ApiServer, service_account: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    make_certificate(other)
    (service_account / "ca.crt").write_bytes((other / "ca.crt").read_bytes())
    ended = connected_pod.run(RETURNS_ONE)
    assert api.requests == []
    assert ended.output == 1
    assert "CERTIFICATE_VERIFY_FAILED" in ended.stderr


def test_a_missing_token_leaves_the_termination_message(
    connected_pod: Pod, service_account: Path, api: ApiServer
) -> None:
    (service_account / "token").unlink()
    ended = connected_pod.run(RETURNS_ONE)
    assert api.requests == []
    assert ended.output == 1
    assert "token" in ended.stderr


@pytest.mark.usefixtures("unmeasured")
def test_without_a_result_to_write_no_connection_is_made(task_pod: Pod, api: ApiServer) -> None:
    ended = task_pod.run(
        "import sys\ndef charge(input, ctx): return 'ssl' in sys.modules",
        KUBERNETES_SERVICE_HOST="127.0.0.1",
        KUBERNETES_SERVICE_PORT=str(api.port),
    )
    assert ended.output is False
    assert api.requests == []


def test_a_large_output_is_in_the_result_and_the_message_says_so(
    connected_pod: Pod, api: ApiServer
) -> None:
    ended = connected_pod.run(returns_text(pod.MAX_OUTPUT_BYTES))
    assert len(api.requests[0].body["spec"]["output"]) == pod.MAX_OUTPUT_BYTES
    assert "truncated" not in api.requests[0].body["spec"]
    assert ended.exit_code == 0
    assert ended.message["truncated"] is True
    assert "output" not in ended.message


def test_an_output_over_the_limit_fails_the_task(connected_pod: Pod, api: ApiServer) -> None:
    ended = connected_pod.run(returns_text(pod.MAX_OUTPUT_BYTES + 1))
    assert ended.exit_code == pod.EXIT_FAILED
    assert ended.error["type"] == "OutputTooLarge"
    assert str(pod.MAX_OUTPUT_BYTES) in ended.error["message"]
    assert str(pod.MAX_OUTPUT_BYTES + 1) in ended.error["message"]
    assert api.requests[0].body["spec"] == ended.message


def test_an_output_that_only_a_result_can_hold_is_lost_with_it(
    connected_pod: Pod, api: ApiServer
) -> None:
    api.answers = [403]
    ended = connected_pod.run(returns_text(5000))
    assert ended.exit_code == pod.EXIT_FAILED
    assert ended.error["type"] == "OutputNotDelivered"
    assert "5000 bytes" in ended.error["message"]
    assert "403" in ended.error["message"]


def test_an_output_too_large_for_a_pod_without_access_fails_the_task(task_pod: Pod) -> None:
    ended = task_pod.run(returns_text(4096))
    assert ended.exit_code == pod.EXIT_FAILED
    assert ended.error["type"] == "OutputTooLarge"
    for part in ("4096 bytes", "clusterAccess: report"):
        assert part in ended.error["message"]


def test_an_output_too_large_for_shared_room_fails_the_task(task_pod: Pod) -> None:
    fits = task_pod.run(returns_text(2000), PODHATCH_MESSAGE_BYTES="2457")
    assert fits.exit_code == 0
    ended = task_pod.run(returns_text(3500), PODHATCH_MESSAGE_BYTES="2457")
    assert ended.error["type"] == "OutputTooLarge"
    assert "2457 bytes in all, as the pod's containers share 12288" in ended.error["message"]
    assert ended.message_bytes <= 2457


def test_a_recorded_output_leaves_a_short_message(connected_pod: Pod, api: ApiServer) -> None:
    ended = connected_pod.run(returns_text(3500), PODHATCH_MESSAGE_BYTES="2457")
    assert ended.exit_code == 0
    assert ended.message["truncated"] is True
    assert len(api.requests[0].body["spec"]["output"]) == 3500


def test_the_largest_output_of_a_pod_without_access_arrives(task_pod: Pod) -> None:
    around_it = task_pod.run(returns_text(2)).message_bytes - 2
    fits = task_pod.run(returns_text(pod.MAX_MESSAGE_BYTES - around_it))
    assert (fits.exit_code, fits.message_bytes) == (0, pod.MAX_MESSAGE_BYTES)
    over = task_pod.run(returns_text(pod.MAX_MESSAGE_BYTES - around_it + 1))
    assert over.error["type"] == "OutputTooLarge"


def test_a_long_error_fits_the_message_and_is_whole_in_the_result(
    connected_pod: Pod, api: ApiServer
) -> None:
    ended = connected_pod.run("""
        def charge(input, ctx): deep(200)

        def deep(depth):
            if not depth:
                raise ValueError("\N{GRINNING FACE}" * 5000)
            exec(f"def f{depth}(): deep({depth} - 1)\\nf{depth}()", globals())
    """)
    assert ended.message_bytes <= pod.MAX_MESSAGE_BYTES
    assert ended.message["truncated"] is True
    assert ended.error["message"].startswith("\N{GRINNING FACE}" * 100)
    error = api.requests[0].body["spec"]["error"]
    assert error["message"] == "\N{GRINNING FACE}" * 2048
    assert len(error["traceback"]) == 16 * 1024


def test_a_message_file_that_cannot_be_written_is_logged(
    connected_pod: Pod, api: ApiServer
) -> None:
    ended = connected_pod.run(RETURNS_ONE, PODHATCH_OUTPUT="/nowhere/termination-log")
    assert ended.exit_code == 0
    assert len(api.requests) == 1
    assert "/nowhere/termination-log" in ended.stderr


def test_a_users_module_may_hide_one_of_the_standard_library(
    impatient_pod: Pod, api: ApiServer
) -> None:
    impatient_pod.write("http.py", "")
    ended = impatient_pod.run(RETURNS_ONE)
    assert ended.output == 1
    assert "TaskResult could not be written" in ended.stderr


def test_the_users_traceback_survives_the_cut(task_pod: Pod) -> None:
    ended = task_pod.run("""
        def charge(input, ctx): deep(900)

        def deep(depth):
            if not depth:
                raise ValueError("at the bottom")
            deep(depth - 1) if depth % 2 else deep(depth - 1)
    """)
    assert ended.message_bytes <= pod.MAX_MESSAGE_BYTES
    assert "truncated" not in ended.message
    assert ended.error["message"] == "at the bottom"
    assert ended.error["traceback"].endswith("ValueError: at the bottom\n")
    assert json.loads(json.dumps(ended.message))["outcome"] == "Failed"


def test_a_process_forked_while_tls_is_prepared_can_import_it(connected_pod: Pod) -> None:
    ended = connected_pod.run("""
        import multiprocessing

        def load():
            import http.client
            return http.client.OK

        def charge(input, ctx):
            with multiprocessing.get_context("fork").Pool(1) as pool:
                return pool.apply_async(load).get(timeout=10)
    """)
    assert ended.output == 200


def test_the_report_takes_no_proxy(connected_pod: Pod, api: ApiServer) -> None:
    code = "def charge(input, ctx): return 1"
    ended = connected_pod.run(code, HTTPS_PROXY="http://127.0.0.1:9", NO_PROXY="")
    assert ended.exit_code == 0
    assert len(api.requests) == 1, ended.stderr
