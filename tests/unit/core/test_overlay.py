"""A task's pod settings over its workflow's, and a pod template over all of it."""

from typing import Any

import pytest
from podhatch.api.model import JsonObject
from podhatch.api.pod_settings import PodSettings
from podhatch.api.task import TaskSpec
from podhatch.core.pod.template import merged_settings, overlaid, pod_template
from podhatch.core.workflow.revision import current_revision

from tests.fakes.objects import DEFAULTS, container_task, task, workflow


@pytest.mark.parametrize(
    ("lower", "upper", "result"),
    [
        (1, 2, 2),
        ({"a": 1, "b": 2}, {"b": 3, "c": 4}, {"a": 1, "b": 3, "c": 4}),
        ({"a": {"b": 1}}, {"a": {"c": 2}}, {"a": {"b": 1, "c": 2}}),
        ([1, 2], [3], [3]),
        ([{"key": "x"}], [{"key": "y"}], [{"key": "y"}]),
        ([{"name": "x"}], [], []),
        (
            [{"name": "x", "value": "1"}, {"name": "y", "value": "2"}],
            [{"name": "z", "value": "3"}, {"name": "x", "value": "4"}],
            [{"name": "x", "value": "4"}, {"name": "y", "value": "2"}, {"name": "z", "value": "3"}],
        ),
        ([{"name": "x"}, {"name": "x"}], [{"name": "x"}], [{"name": "x"}]),
        ({"a": 1}, [1], [1]),
    ],
)
def test_the_upper_value_wins_key_by_key(lower: Any, upper: Any, result: Any) -> None:
    assert overlaid({"it": lower, "same": 0}, {"it": upper}) == {"it": result, "same": 0}


def test_a_task_without_settings_has_its_workflows() -> None:
    settings = PodSettings(node_selector={"disk": "ssd"})
    assert merged_settings(settings, None) == settings
    assert merged_settings(None, settings) == settings
    assert merged_settings(None, None) == PodSettings()


def pod_spec(raw: JsonObject, **spec: object) -> JsonObject:
    template = pod_template(
        current_revision(workflow(raw, **spec)), TaskSpec.model_validate(raw), DEFAULTS
    )
    return template["spec"]


def test_all_settings_land_in_the_pod() -> None:
    secret = {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "s", "key": "token"}}}
    settings: JsonObject = {
        "resources": {"requests": {"cpu": "100m"}, "limits": {"memory": "64Mi"}},
        "nodeSelector": {"disk": "ssd"},
        "tolerations": [{"key": "gpu", "operator": "Exists"}],
        "serviceAccountName": "mine",
        "env": [secret],
        "envFrom": [{"configMapRef": {"name": "c"}}],
        "volumes": [{"name": "v", "emptyDir": {}}],
        "volumeMounts": [{"name": "v", "mountPath": "/v"}],
        "imagePullSecrets": [{"name": "registry"}],
        "podTemplate": {
            "spec": {
                "priorityClassName": "high",
                "containers": [{"name": "task", "stdin": True}, {"name": "side"}],
            }
        },
    }
    made = pod_spec(container_task("a", pod=settings))
    container, side = made["containers"]
    assert container["resources"] == {"requests": {"cpu": "100m"}, "limits": {"memory": "64Mi"}}
    assert secret in container["env"]
    assert container["envFrom"] == [{"configMapRef": {"name": "c"}}]
    assert container["volumeMounts"] == [{"name": "v", "mountPath": "/v"}]
    assert container["stdin"] is True
    assert container["image"] == "any:1"
    assert side == {"name": "side", "terminationMessagePolicy": "FallbackToLogsOnError"}
    assert made["nodeSelector"] == {"disk": "ssd"}
    assert made["tolerations"] == [{"key": "gpu", "operator": "Exists"}]
    assert made["serviceAccountName"] == "mine"
    assert made["automountServiceAccountToken"] is True
    assert made["volumes"] == [{"name": "v", "emptyDir": {}}]
    assert made["imagePullSecrets"] == [{"name": "registry"}]
    assert made["priorityClassName"] == "high"
    assert made["restartPolicy"] == "Never"


def test_the_workflows_settings_lie_below_the_tasks() -> None:
    common = {"nodeSelector": {"disk": "ssd", "zone": "a"}, "env": [{"name": "X", "value": "1"}]}
    own = {"nodeSelector": {"zone": "b"}, "env": [{"name": "Y", "value": "2"}]}
    made = pod_spec(task("a", pod=own), pod=common)
    assert made["nodeSelector"] == {"disk": "ssd", "zone": "b"}
    names = [item["name"] for item in made["containers"][0]["env"]]
    assert names[-2:] == ["X", "Y"]


def test_an_account_of_the_users_may_not_report() -> None:
    raw = task("a", pod={"serviceAccountName": "mine"})
    made = pod_spec(raw)
    assert made["serviceAccountName"] == "mine"
    assert made["automountServiceAccountToken"] is True
