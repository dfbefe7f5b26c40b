"""Every manifest of Kubernetes' own kinds in the documentation is one that the API server takes."""

from collections.abc import Iterator
from uuid import uuid4

import pytest
import yaml
from podhatch.api.model import JsonObject

from tests.helm import RELEASE, render
from tests.kubectl import Kubectl, Refused
from tests.unit.docs.pages import blocks

DOCUMENTS: list[tuple[str, JsonObject]] = [
    (f"{block}-{document['kind']}-{document['metadata']['name']}", document)
    for block, text in blocks("yaml").items()
    if block.startswith("docs/security.md")
    for document in yaml.safe_load_all(text)
]


@pytest.fixture(scope="module")
def namespace() -> Iterator[str]:
    name = f"documented-{uuid4().hex[:8]}"
    Kubectl()("create", "namespace", name)
    yield name
    Kubectl()("delete", "namespace", name, "--wait=false")


@pytest.mark.parametrize(
    "document", [document for _, document in DOCUMENTS], ids=[name for name, _ in DOCUMENTS]
)
def test_the_api_server_accepts_each_documented_manifest(
    namespace: str, document: JsonObject
) -> None:
    if document["kind"] != "Namespace":
        document["metadata"]["namespace"] = namespace
    Kubectl().try_create(document)


def test_an_unknown_field_is_refused(namespace: str) -> None:
    quota = next(document for _, document in DOCUMENTS if document["kind"] == "ResourceQuota")
    wrong = {**quota, "metadata": {**quota["metadata"], "namespace": namespace}}
    with pytest.raises(Refused, match="unknown field"):
        Kubectl().try_create({**wrong, "spec": {**wrong["spec"], "hardd": {}}})


def test_the_roles_that_are_bound_are_those_of_the_chart() -> None:
    bound = {d["roleRef"]["name"] for _, d in DOCUMENTS if d["kind"] == "RoleBinding"}
    roles = {m["metadata"]["name"] for m in render() if m["kind"] == "ClusterRole"}
    assert bound == {f"{RELEASE}-author", f"{RELEASE}-submit", f"{RELEASE}-event-bridge"}
    assert bound <= roles


@pytest.mark.parametrize(
    ("role", "words", "allowed"),
    [
        ("author", ("create", "workflows.podhatch.dev"), True),
        ("author", ("get", "pods/log"), True),
        ("author", ("get", "secrets"), False),
        ("author", ("create", "taskresults.podhatch.dev"), False),
        ("submit", ("create", "workflowruns.podhatch.dev"), True),
        ("submit", ("create", "workflows.podhatch.dev"), False),
        ("submit", ("patch", "workflowruns.podhatch.dev"), False),
        ("event-bridge", ("create", "workflowevents.podhatch.dev"), True),
        ("event-bridge", ("get", "workflowevents.podhatch.dev"), False),
        ("event-bridge", ("list", "workflowruns.podhatch.dev"), False),
    ],
    ids=str,
)
def test_a_role_that_is_bound_gives_what_the_page_says(
    namespace: str, role: str, words: tuple[str, str], allowed: bool
) -> None:
    kubectl = Kubectl()
    binding = f"{role}-{uuid4().hex[:8]}"
    kubectl(
        *("create", "rolebinding", binding, "-n", namespace),
        *(f"--clusterrole={RELEASE}-{role}", f"--user={binding}"),
    )
    somebody = kubectl.impersonating(binding)
    try:
        told = somebody("auth", "can-i", *words, "-n", namespace).strip()
    except Refused:  # kubectl's exit code for no
        told = "no"
    assert told == ("yes" if allowed else "no")
