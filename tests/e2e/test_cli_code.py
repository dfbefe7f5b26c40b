"""The command line before a run: deploy, render for GitOps, lint, version."""

import os
import subprocess
import sys
from pathlib import Path

import yaml

from tests.e2e.conftest import Podhatch
from tests.kube import REPOSITORY, Namespace, shell, workflow_manifest

FLOWS = REPOSITORY / "tests" / "e2e" / "flows"


def test_deploy_publishes_what_changed(podhatch: Podhatch, namespace: Namespace) -> None:
    tried = podhatch("deploy", "shop:hatchet", "--dry-run", folder=FLOWS)
    assert "workflow flaky created (dry run)" in tried.out
    assert namespace.list("wf") == []
    first = podhatch("deploy", "shop:hatchet", folder=FLOWS)
    assert (first.code, first.err) == (0, "")
    assert len(namespace.list("wf")) == len(first.out.splitlines()) == 5
    again = podhatch("deploy", "shop.py:hatchet", folder=FLOWS)
    assert {line.split()[-1] for line in again.out.splitlines()} == {"unchanged"}
    image = podhatch("deploy", "shop:flaky", "--image", "shop:2", folder=FLOWS)
    assert image.out == "workflow flaky updated\n"
    assert namespace.get("wf", "flaky")["spec"]["image"] == "shop:2"
    assert namespace.list("wfr") == []


def test_what_is_rendered_is_what_kubectl_applies(podhatch: Podhatch, namespace: Namespace) -> None:
    rendered = podhatch("render", "shop:hatchet", folder=FLOWS)
    assert (rendered.code, rendered.err) == (0, "")
    kinds = [document["kind"] for document in yaml.safe_load_all(rendered.out)]
    assert kinds == ["ConfigMap", *["Workflow"] * 5]
    namespace.kubectl("apply", "--server-side", "-f", "-", stdin=rendered.out)
    done = podhatch("run", "flaky", "--wait")
    assert (done.code, done.out) == (0, '{\n  "flaky": 2\n}\n')
    with_image = podhatch("render", "shop:hatchet", "--image", "shop:2", folder=FLOWS)
    documents = list(yaml.safe_load_all(with_image.out))
    assert {document["spec"]["image"] for document in documents} == {"shop:2"}


def test_deploy_leaves_nothing_of_a_workflow_that_kubectl_applied(
    podhatch: Podhatch, namespace: Namespace
) -> None:
    theirs = workflow_manifest("flaky", shell("old", "true"), onEvents=["paid"])
    namespace.kubectl("apply", "--server-side", "-f", "-", stdin=yaml.safe_dump(theirs))
    deployed = podhatch("deploy", "shop:flaky", folder=FLOWS)
    assert deployed.out == "workflow flaky updated\n"
    spec = namespace.get("wf", "flaky")["spec"]
    assert [task["name"] for task in spec["tasks"]] == ["flaky"]
    assert "onEvents" not in spec


def test_rendering_asks_no_cluster(podhatch: Podhatch) -> None:
    arguments = ("render", "shop:hatchet", "--kubeconfig", "/nowhere")
    assert podhatch(*arguments, folder=FLOWS).code == 0


def test_lint_names_line_and_field(podhatch: Podhatch, tmp_path: Path) -> None:
    good = podhatch("lint", "shop:hatchet", folder=FLOWS)
    assert (good.code, good.out) == (0, ""), good.err
    file = tmp_path / "bad.yaml"
    file.write_text(
        "apiVersion: podhatch.dev/v1alpha1\n"
        "kind: Workflow\n"
        "metadata: {name: bad}\n"
        "spec:\n"
        "  tasks:\n"
        "    - name: a\n"
        "      python: m:f\n"
        "      retires: 3\n"
    )
    bad = podhatch("lint", "bad.yaml", folder=tmp_path)
    assert bad.code == 1
    assert bad.out == (
        "bad.yaml:8: Workflow bad: spec.tasks[0].retires: unknown field; did you mean retries?\n"
    )


def test_the_command_is_a_plugin_of_kubectl(podhatch_environment: dict[str, str]) -> None:
    folder = Path(sys.executable).parent
    path = f"{folder}{os.pathsep}{podhatch_environment['PATH']}"
    done = subprocess.run(
        ["kubectl", "podhatch", "version"],
        env={**podhatch_environment, "PATH": path},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "operator 0.1.0 in namespace podhatch-system" in done.stdout
