"""As what and where a pod runs, and Jobs that a queue holds back."""

from tests.kube import Namespace, eventually, shell, tasks, workflow_manifest

SECRET = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {"name": "keys"},
    "stringData": {"token": "s3cret"},
}
WORDS = 'printf \'"%s %s %s"\' "$TOKEN" "$COMMON" "$(cat /data/token)" > $PODHATCH_OUTPUT'


def test_all_settings_reach_the_pod(namespace: Namespace) -> None:
    own = {
        "resources": {"requests": {"cpu": "50m"}, "limits": {"memory": "64Mi"}},
        "env": [{"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "token"}}}],
        "volumes": [{"name": "data", "secret": {"secretName": "keys"}}],
        "volumeMounts": [{"name": "data", "mountPath": "/data"}],
        "podTemplate": {
            "metadata": {"annotations": {"example.com/team": "blue"}},
            "spec": {"terminationGracePeriodSeconds": 7},
        },
    }
    common = {
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "env": [{"name": "COMMON", "value": "all"}],
    }
    namespace.apply(SECRET, workflow_manifest("placed", shell("t", WORDS, pod=own), pod=common))
    namespace.run("placed-1", "placed")
    assert tasks(namespace.wait("placed-1", "Succeeded"))["t"]["output"] == '"s3cret all s3cret"'
    [pod] = namespace.list("pods")
    [container] = pod["spec"]["containers"]
    assert container["resources"]["limits"]["memory"] == "64Mi"
    assert container["resources"]["requests"]["cpu"] == "50m"
    assert pod["spec"]["nodeSelector"] == {"kubernetes.io/os": "linux"}
    assert pod["spec"]["terminationGracePeriodSeconds"] == 7
    assert pod["metadata"]["annotations"]["example.com/team"] == "blue"


def test_a_job_that_a_queue_holds_back_is_waited_for(namespace: Namespace) -> None:
    held = {"suspend": True, "jobLabels": {"kueue.x-k8s.io/queue-name": "team"}}
    namespace.apply(workflow_manifest("queued", shell("t", "true", pod=held)))
    namespace.run("queued-1", "queued")
    entry = namespace.wait_for_reason("queued-1", "t", "Suspended")
    assert "a queue has to release it" in entry["message"]
    [job] = namespace.list("jobs", "kueue.x-k8s.io/queue-name=team")
    assert namespace.list("pods") == []
    namespace.kubectl(
        "patch", "job", job["metadata"]["name"], "--type=merge", '-p={"spec":{"suspend":false}}'
    )
    namespace.wait("queued-1", "Succeeded")


def test_a_secret_that_is_missing_is_told(namespace: Namespace) -> None:
    env = [{"name": "X", "valueFrom": {"secretKeyRef": {"name": "none", "key": "x"}}}]
    namespace.apply(workflow_manifest("lacks", shell("t", "true", pod={"env": env})))
    namespace.run("lacks-1", "lacks")
    entry = namespace.wait_for_reason("lacks-1", "t", "ContainerConfig")
    assert '"none" not found' in entry["message"]
    namespace.apply({**SECRET, "metadata": {"name": "none"}, "stringData": {"x": "y"}})
    namespace.wait("lacks-1", "Succeeded", seconds=90)


def test_a_pod_that_kubernetes_refuses_names_the_field(namespace: Namespace) -> None:
    wrong = {"podTemplate": {"spec": {"restartPolicy": "Always"}}}
    namespace.apply(workflow_manifest("wrong", shell("t", "true", pod=wrong)))
    namespace.run("wrong-1", "wrong")
    entry = tasks(namespace.wait("wrong-1", "Failed"))["t"]
    assert entry["reason"] == "Refused"
    assert "restartPolicy" in entry["message"]


def test_a_sticky_run_stays_on_its_node(namespace: Namespace) -> None:
    namespace.apply(
        workflow_manifest("stays", shell("a", "true"), shell("b", "true", "a"), sticky="Hard")
    )
    namespace.run("stays-1", "stays")
    entries = tasks(namespace.wait("stays-1", "Succeeded"))
    assert entries["a"]["node"] == entries["b"]["node"]
    pods = eventually(lambda: namespace.list("pods", "podhatch.dev/task=b"), 5, "the pod of b")
    required = pods[0]["spec"]["affinity"]["nodeAffinity"][
        "requiredDuringSchedulingIgnoredDuringExecution"
    ]
    [term] = required["nodeSelectorTerms"]
    assert term["matchFields"][0]["values"] == [entries["a"]["node"]]
