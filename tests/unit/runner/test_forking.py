"""Processes that a task forks: only the first process reports, and its children end by themselves.

Each child of these tasks comes back into the runner in another way.
"""

import pytest

from tests.unit.runner.api_server import ApiServer
from tests.unit.runner.conftest import Pod

CHILD = """
import atexit, os, sys, threading

atexit.register(lambda: print("the last flush"))

def charge(input, ctx):
    child = os.fork()
    if child == 0:
        {ends}
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)
"""


@pytest.mark.parametrize(
    ("ends", "code", "words"),
    [
        ("sys.exit()", 0, ""),
        ("sys.exit(3)", 3, ""),
        ("sys.exit('no more work')", 1, "no more work"),
        ("os._exit(4)", 4, ""),
        ("raise ValueError('in the child')", 1, "ValueError: in the child"),
        ("return 'of the child'", 0, ""),
        ("ctx.cancel()", 1, "do it in the task's own process"),
        ("ctx.refresh_timeout('60s')", 1, "do it in the task's own process"),
    ],
)
@pytest.mark.parametrize("define", ["def", "async def"])
def test_a_forked_child_ends_by_itself_and_the_task_reports(
    connected_pod: Pod, api: ApiServer, define: str, ends: str, code: int, words: str
) -> None:
    ended = connected_pod.run(CHILD.format(ends=ends).replace("def charge", f"{define} charge"))
    assert ended.output == code
    assert words in ended.stderr
    assert ended.exit_code == 0
    assert ended.stdout.count("the last flush") == 1
    assert [request.method for request in api.requests] == ["POST"]


def test_a_child_that_outlives_the_task_reports_nothing(connected_pod: Pod, api: ApiServer) -> None:
    ended = connected_pod.run("""
        import os, sys

        def charge(input, ctx):
            read, write = os.pipe()
            if os.fork() == 0:
                os.close(write)
                os.read(read, 1)  # returns once the first process is gone
                sys.exit("the daemon ends")
            return "of the task"
    """)
    assert ended.output == "of the task"
    assert "the daemon ends" in ended.stderr
    assert len(api.requests) == 1


def test_a_child_forked_while_a_module_is_loaded_does_not_run_the_task(task_pod: Pod) -> None:
    ended = task_pod.run("""
        import os
        child = os.fork()
        status = os.waitpid(child, 0)[1] if child else None

        def charge(input, ctx):
            print("runs")
            return status
    """)
    assert ended.output == 0
    assert ended.stdout == "runs\n"


def test_a_child_of_a_thread_reports_nothing(task_pod: Pod) -> None:
    ended = task_pod.run("""
        import os, threading

        def charge(input, ctx):
            codes = []
            def work():
                child = os.fork()
                if child:
                    codes.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
            thread = threading.Thread(target=work)
            thread.start()
            thread.join()
            return codes
    """)
    assert ended.output == [0]


@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_workers_of_multiprocessing_fail_by_themselves(task_pod: Pod, method: str) -> None:
    ended = task_pod.run(f"""
        import multiprocessing, sys

        def work(how):
            if how == "raise":
                raise ValueError("in the worker")
            sys.exit(5)

        def charge(input, ctx):
            context = multiprocessing.get_context({method!r})
            workers = [context.Process(target=work, args=(how,)) for how in ("raise", "exit")]
            for worker in workers:
                worker.start()
            for worker in workers:
                worker.join()
            return [worker.exitcode for worker in workers]
    """)
    assert ended.output == [1, 5]


def test_a_server_that_forks_its_workers_is_one_task(task_pod: Pod) -> None:
    ended = task_pod.run("""
        import os, signal, sys

        def charge(input, ctx):
            workers = []
            for number in range(3):
                worker = os.fork()
                if worker == 0:
                    signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
                    os.write(ready[1], b".")
                    while True:
                        signal.pause()
                workers.append(worker)
            for _ in workers:
                os.read(ready[0], 1)
            for worker in workers:
                os.kill(worker, signal.SIGTERM)
            return [os.waitstatus_to_exitcode(os.waitpid(each, 0)[1]) for each in workers]

        ready = os.pipe()
    """)
    assert ended.output == [7, 7, 7]
