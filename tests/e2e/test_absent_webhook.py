"""A Job that an admission webhook has to allow, while the webhook does not answer."""

from collections.abc import Iterator

import pytest

from tests.kube import (
    KubectlError,
    Namespace,
    eventually,
    kubectl,
    shell,
    workflow_manifest,
)


def refuses_jobs(namespace: Namespace) -> bool:
    try:
        namespace.kubectl("create", "job", "any", "--image=any", "--dry-run=server")
    except KubectlError as error:
        return "failed calling webhook" in str(error)
    return False


@pytest.fixture
def absent_webhook(namespace: Namespace) -> Iterator[str]:
    """A webhook for the Jobs of the namespace that nobody serves. Yields its name."""
    name = f"absent-{namespace.name}"
    webhook = {
        "name": "jobs.absent.example",
        "clientConfig": {"url": "https://127.0.0.1:1/"},
        "rules": [
            {
                "apiGroups": ["batch"],
                "apiVersions": ["v1"],
                "operations": ["CREATE"],
                "resources": ["jobs"],
            }
        ],
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace.name}},
        "failurePolicy": "Fail",
        "sideEffects": "None",
        "timeoutSeconds": 1,
        "admissionReviewVersions": ["v1"],
    }
    namespace.apply(
        {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingWebhookConfiguration",
            "metadata": {"name": name},
            "webhooks": [webhook],
        }
    )
    eventually(lambda: refuses_jobs(namespace), 30, "the webhook to be asked")
    yield name
    kubectl("delete", "validatingwebhookconfiguration", name, "--ignore-not-found")


def test_a_task_says_that_a_webhook_is_away_and_starts_once_it_is_back(
    namespace: Namespace, absent_webhook: str
) -> None:
    namespace.apply(workflow_manifest("guarded", shell("t", "true")))
    namespace.run("guarded-1", "guarded")
    entry = namespace.wait_for_reason("guarded-1", "t", "Refused")
    assert 'failed calling webhook "jobs.absent.example"' in entry["message"]
    kubectl("delete", "validatingwebhookconfiguration", absent_webhook)
    namespace.wait("guarded-1", "Succeeded", 90)
