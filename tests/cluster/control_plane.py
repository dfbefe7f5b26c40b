"""etcd, the API server, the controller manager and the scheduler of the local cluster.

Called by local.py, and by `start` and `stop` for tests that break one of them.
"""

import json
from typing import Literal

from tests.cluster import certificates, probes
from tests.cluster.binaries import binary
from tests.cluster.certificates import certificate, key, kubeconfig
from tests.cluster.network import NODE_ADDRESS, POD_NETWORK, SERVICE_ADDRESS, SERVICE_NETWORK
from tests.cluster.paths import CERTIFICATES, CONFIGURATION, ETCD_DATA
from tests.cluster.processes import Component

Profile = Literal["stock", "tuned"]

ETCD_CLIENT = "http://127.0.0.1:2379"
ETCD_PEER = "http://127.0.0.1:2380"
ETCD_QUOTA = 8 * 1024**3
TUNED_QPS = 500
TUNED_BURST = 1000
TUNED_JOB_SYNCS = 50
API_SERVER_NAMES = [
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
    "localhost",
    "127.0.0.1",
    SERVICE_ADDRESS,
    NODE_ADDRESS,
]


def components(profile: Profile) -> list[Component]:
    """The control plane in the order in which it starts."""
    return [etcd(), api_server(), controller_manager(profile), scheduler(profile)]


def etcd() -> Component:
    """The store: its data lives as long as the cluster, so it need not reach the disk."""
    command = [
        str(binary("etcd")),
        f"--data-dir={ETCD_DATA}",
        f"--listen-client-urls={ETCD_CLIENT}",
        f"--advertise-client-urls={ETCD_CLIENT}",
        f"--listen-peer-urls={ETCD_PEER}",
        f"--initial-advertise-peer-urls={ETCD_PEER}",
        f"--initial-cluster=default={ETCD_PEER}",
        "--unsafe-no-fsync",
        f"--quota-backend-bytes={ETCD_QUOTA}",
        "--log-level=warn",
    ]
    return Component("etcd", command, lambda: probes.healthy(f"{ETCD_CLIENT}/readyz"))


def api_server() -> Component:
    """The API server; pods reach it by the first address of the service network."""
    command = [
        str(binary("kube-apiserver")),
        f"--etcd-servers={ETCD_CLIENT}",
        "--bind-address=0.0.0.0",
        "--secure-port=6443",
        f"--advertise-address={NODE_ADDRESS}",
        f"--tls-cert-file={certificate('kube-apiserver')}",
        f"--tls-private-key-file={key('kube-apiserver')}",
        f"--client-ca-file={certificate('ca')}",
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
        f"--service-account-key-file={CERTIFICATES / 'service-account.pub'}",
        f"--service-account-signing-key-file={key('service-account')}",
        f"--service-cluster-ip-range={SERVICE_NETWORK}",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        "--allow-privileged",
        "--kubelet-preferred-address-types=InternalIP",
        f"--kubelet-certificate-authority={certificate('ca')}",
        # Without a client certificate there are no pod logs.
        f"--kubelet-client-certificate={certificate('admin')}",
        f"--kubelet-client-key={key('admin')}",
    ]
    return Component("kube-apiserver", command, api_ready)


def api_ready() -> bool:
    """Whether the API server serves this cluster's administrator."""
    return probes.get("/api/v1/namespaces/kube-system") is not None and probes.healthy(
        f"{certificates.SERVER}/readyz"
    )


def controller_manager(profile: Profile) -> Component:
    """The controllers, with Kubernetes' own limits or with those of the tuned profile."""
    credentials = kubeconfig("kube-controller-manager")
    command = [
        str(binary("kube-controller-manager")),
        f"--kubeconfig={credentials}",
        f"--authentication-kubeconfig={credentials}",
        f"--authorization-kubeconfig={credentials}",
        "--bind-address=127.0.0.1",
        "--use-service-account-credentials",
        f"--root-ca-file={certificate('ca')}",
        f"--service-account-private-key-file={key('service-account')}",
        "--leader-elect=false",
        "--allocate-node-cidrs",
        f"--cluster-cidr={POD_NETWORK}",
    ]
    if profile == "tuned":
        command += [
            f"--kube-api-qps={TUNED_QPS}",
            f"--kube-api-burst={TUNED_BURST}",
            f"--concurrent-job-syncs={TUNED_JOB_SYNCS}",
        ]
    health = "https://127.0.0.1:10257/healthz"
    return Component("kube-controller-manager", command, lambda: probes.healthy(health))


def scheduler(profile: Profile) -> Component:
    """The scheduler; its limits come from a file, never from flags."""
    credentials = kubeconfig("kube-scheduler")
    connection: dict[str, object] = {"kubeconfig": credentials}
    if profile == "tuned":
        connection |= {"qps": TUNED_QPS, "burst": TUNED_BURST}
    content = {
        "apiVersion": "kubescheduler.config.k8s.io/v1",
        "kind": "KubeSchedulerConfiguration",
        "clientConnection": connection,
        "leaderElection": {"leaderElect": False},
    }
    path = CONFIGURATION / "kube-scheduler.json"
    command = [
        str(binary("kube-scheduler")),
        f"--config={path}",
        f"--authentication-kubeconfig={credentials}",
        f"--authorization-kubeconfig={credentials}",
        "--bind-address=127.0.0.1",
    ]
    health = "https://127.0.0.1:10259/healthz"
    return Component(
        "kube-scheduler",
        command,
        lambda: probes.healthy(health),
        files={path: json.dumps(content)},
    )
