"""Every example, and what the pages show first, runs as it stands on the real node.

The programs are started all at once, in one namespace; each test waits for its own.
"""

import json
import re
import shlex
import socket
import subprocess
import sys
import uuid
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest
import yaml

from tests.e2e.conftest import Finished
from tests.kube import REPOSITORY, Namespace, eventually, kubectl, tasks, user_environment
from tests.unit.docs.examples import EXAMPLES, SCRIPTS, printed
from tests.unit.docs.pages import blocks

AT_ONCE = 10
"""More of them only wait for each other on a small machine."""
PODHATCH = str(Path(sys.executable).with_name("podhatch"))
WORKERS = ("lifespan.py", "worker.py")
DEPLOYED = ("events.py",)
WITHOUT_A_CLUSTER = ("local_run.py",)


README_COMMANDS = re.findall(
    r"^    (podhatch .*)$", (REPOSITORY / "README.md").read_text(), re.MULTILINE
)


@dataclass(frozen=True)
class Stage:
    """A namespace, and what a user there has in the environment."""

    namespace: Namespace
    env: dict[str, str]

    def run(self, *command: str, **variables: str) -> Finished:
        done = subprocess.run(
            command,
            cwd=REPOSITORY,
            env={**self.env, **variables},
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        return Finished(done.returncode, done.stdout, done.stderr)

    def python(self, *arguments: str, **variables: str) -> Finished:
        return self.run(sys.executable, *arguments, **variables)

    def run_example(self, name: str) -> Finished:
        """Do with an example what its docstring says."""
        script = f"examples/{name}"
        if name in WITHOUT_A_CLUSTER:
            return self.python(script, KUBECONFIG="/nowhere")
        if name in DEPLOYED:
            deployed = self.run(PODHATCH, "deploy", f"{script}:hatchet")
            assert deployed.code == 0, deployed.err
        if name in WORKERS:
            with self.worker(script):
                return self.python(script, "run")
        return self.python(script)

    @contextmanager
    def worker(self, script: str) -> Generator[None]:
        """Let a worker be there, once it has registered its workflows."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port: int = free.getsockname()[1]
        env = {**self.env, "PODHATCH_HEALTH_PORT": str(port)}
        with subprocess.Popen([sys.executable, script], cwd=REPOSITORY, env=env) as worker:
            try:
                eventually(lambda: is_healthy(port), 60, f"{script} to be healthy")
                yield
            finally:
                worker.terminate()


def is_healthy(port: int) -> bool:
    try:
        with urlopen(f"http://127.0.0.1:{port}/health", timeout=5) as answer:
            return answer.status == 200
    except (URLError, ConnectionError):
        return False


@contextmanager
def new_stage(folder: Path) -> Generator[Stage]:
    name = f"test-{uuid.uuid4().hex[:8]}"
    kubectl("create", "namespace", name)
    yield Stage(Namespace(name), user_environment(name, folder))
    kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with new_stage(tmp_path_factory.mktemp("stage")) as made:
        yield made


@pytest.fixture(scope="module")
def started(
    stage: Stage, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Future[Finished]]]:
    """Start every program, and return what will become of each."""
    shown = {"README.md#1": "first.py", "docs/python/conditions.md#1": "shipping.py"}
    with ExitStack() as stack:
        pool = stack.enter_context(ThreadPoolExecutor(AT_ONCE))
        alone, reader = (
            stack.enter_context(new_stage(tmp_path_factory.mktemp(name)))
            for name in ("demo", "reader")
        )
        jobs: dict[str, Callable[[], Finished]] = {
            "demo": lambda: alone.python("-m", "tests.demo"),
            "commands": lambda: follow_the_readme(reader, tmp_path_factory.mktemp("orders")),
        }
        jobs |= {name: lambda name=name: stage.run_example(name) for name in SCRIPTS}
        for block, file in shown.items():
            script = tmp_path_factory.mktemp("source") / file
            script.write_text(blocks("python")[block])
            jobs[block] = lambda script=script: stage.python(str(script))
        yield {name: pool.submit(job) for name, job in jobs.items()}


Started = dict[str, Future[Finished]]


def follow_the_readme(reader: Stage, folder: Path) -> Finished:
    """Run the first workflow and then each command that the page shows, until one fails."""
    script = folder / "orders.py"
    script.write_text(blocks("python")["README.md#1"])
    done = reader.python(str(script))
    for command in README_COMMANDS:
        if done.code:
            break
        done = reader.run(PODHATCH, *shlex.split(command, comments=True)[1:])
    return done


@pytest.mark.parametrize("name", [name for name, path in SCRIPTS.items() if printed(path)])
def test_a_program_prints_what_it_says(started: Started, name: str) -> None:
    done = started[name].result()
    assert done.out.splitlines() == printed(SCRIPTS[name]), done.err
    assert done.code == 0, done.err


def test_the_orders_program_prints_its_report(started: Started, stage: Stage) -> None:
    done = started["orders.py"].result()
    assert done.code == 0, done.err
    assert json.loads(done.out)["report"] == {
        "orders": 356,
        "rejected": 4,
        "euros": "30620.44",
        "best_country": "NL",
        "held_orders": 11,
        "held_euros": "7854.34",
    }
    [run] = [run for run in stage.namespace.list("wfr") if run["spec"]["workflow"] == "orders"]
    assert run["status"]["progress"] == "5/5"
    assert "outputRef" in tasks(run)["load"], "an output of 45 kB is kept beside the status"


def test_the_demo_runs_every_example(started: Started) -> None:
    done = started["demo"].result()
    assert done.code == 0, done.err
    assert done.out.count("  Succeeded  ") == 5 + 4 + 3 + 3, "each task and each run, once"
    assert "make cluster-down" in done.out


def test_the_first_workflow_of_the_readme_runs_as_shown(started: Started) -> None:
    done = started["README.md#1"].result()
    assert done.code == 0, done.err
    assert json.loads(done.out) == json.loads(blocks("json")["README.md#1"])


def test_retries_conditions_and_hooks_run_as_shown(started: Started) -> None:
    done = started["docs/python/conditions.md#1"].result()
    assert done.code == 0, done.err
    assert "'note': 'sent'" in done.out
    assert "'celebrate-on-success': 'sent'" in done.out


def test_the_commands_of_the_readme_work_as_shown(started: Started) -> None:
    assert len(README_COMMANDS) == 9
    done = started["commands"].result()
    assert done.code == 0, done.err
    assert done.out.startswith("cron "), "the last command creates a cron"


def test_the_yaml_of_the_readme_runs_as_shown(stage: Stage) -> None:
    stage.namespace.kubectl("apply", "-f", "-", stdin=blocks("yaml")["README.md#1"])
    run = stage.namespace.wait("greeting-1", "Succeeded", seconds=120)
    assert json.loads(tasks(run)["reply"]["output"]) == {"greet": {"hello": "world"}}


def test_the_yaml_of_the_manual_runs_as_shown(namespace: Namespace) -> None:
    texts = blocks("yaml")
    namespace.kubectl("apply", "-f", "-", stdin=texts["docs/yaml/workflows.md#1"])
    namespace.kubectl("create", "-f", "-", stdin=texts["docs/yaml/workflows.md#2"])
    third = texts["docs/yaml/workflows.md#3"]
    created = namespace.kubectl("create", "-f", "-", "-o", "name", stdin=third)
    for name in ("backup-1", created.strip().partition("/")[2]):
        run = namespace.wait(name, "Succeeded", seconds=120)
        assert tasks(run)["check"]["state"] == "Succeeded"


@pytest.mark.parametrize(
    ("file", "last_task", "output"),
    [
        pytest.param(
            "containers.yaml",
            "summary",
            "most often the word the, in 81 bytes of JSON",
            id="containers",
        ),
        pytest.param(
            "mixed.yaml", "compare", {"runner": "debian", "container": "debian"}, id="mixed"
        ),
    ],
)
def test_a_yaml_example_runs_with_kubectl_apply(
    stage: Stage, file: str, last_task: str, output: object
) -> None:
    stage.namespace.kubectl("apply", "-f", str(EXAMPLES / file))
    documents = yaml.safe_load_all((EXAMPLES / file).read_text())
    [name] = [item["metadata"]["name"] for item in documents if item["kind"] == "WorkflowRun"]
    run = stage.namespace.wait(name, "Succeeded", seconds=120)
    assert json.loads(tasks(run)[last_task]["output"]) == output


def test_the_refund_waits_for_its_approval(stage: Stage) -> None:
    namespace = stage.namespace
    namespace.kubectl("apply", "-f", str(EXAMPLES / "refund.yaml"))
    namespace.wait_for_reason("refund-1", "approve", "WaitingForConditions", seconds=60)
    namespace.apply(
        {
            "apiVersion": "podhatch.dev/v1alpha1",
            "kind": "WorkflowEvent",
            "metadata": {"name": "approved-1"},
            "spec": {"key": "refund-approved"},
        }
    )
    entries = tasks(namespace.wait("refund-1", "Succeeded", seconds=120))
    assert entries["pay"]["retries"] == 1
    assert json.loads(entries["pay"]["output"])["check"] == {"fraud": False}
    assert entries["apologise"]["state"] == "Skipped"
    assert entries["tell"]["state"] == "Succeeded"


def test_the_nightly_backup_ticks_in_its_time_zone(stage: Stage) -> None:
    namespace = stage.namespace
    namespace.kubectl("apply", "-f", str(EXAMPLES / "cron.yaml"))
    status = eventually(
        lambda: namespace.get("cwf", "nightly-backup").get("status"), 20, "the next ticks"
    )
    in_utc = {time[10:19] for time in status["nextRunTimes"]}
    assert in_utc <= {"T00:30:00", "T01:30:00"}, "half past two in summer and winter"
    eventually(lambda: namespace.list("cronjobs"), 20, "the CronJob")
    namespace.kubectl("create", "job", "--from=cronjob/nightly-backup", "backup-now")
    eventually(lambda: "backup-now" in names_of_runs(namespace), 20, "its run")
    run = namespace.wait("backup-now", "Succeeded", seconds=120)
    assert json.loads(tasks(run)["pack"]["output"]) == {"folder": "/data"}


def test_the_billed_orders_are_those_that_were_sent(stage: Stage) -> None:
    namespace = stage.namespace
    namespace.kubectl("apply", "-f", str(EXAMPLES / "events.yaml"))
    for event in ("order-1", "order-2"):
        eventually(
            lambda event=event: "handledAt" in namespace.get("wfe", event).get("status", {}),
            30,
            f"event {event} to be handled",
        )
    assert namespace.get("wfe", "order-2")["status"].get("triggeredRuns", []) == []
    [started] = namespace.get("wfe", "order-1")["status"]["triggeredRuns"]
    run = namespace.wait(started["run"], "Succeeded", seconds=120)
    assert json.loads(tasks(run)["bill"]["output"]) == {"amount": 250}


def names_of_runs(namespace: Namespace) -> list[str]:
    return [run["metadata"]["name"] for run in namespace.list("wfr")]
