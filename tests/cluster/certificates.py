"""The cluster's own authority, its certificates and the kubeconfig files that carry them.

Called once per new cluster by control_plane.py. Elliptic-curve keys, since they cost no time.
"""

import base64
import json
from pathlib import Path

from tests.cluster.paths import CERTIFICATES, KUBECONFIG, KUBECONFIGS
from tests.cluster.progress import output

SERVER = "https://127.0.0.1:6443"
# Python 3.13 refuses an authority without keyUsage.
AUTHORITY_EXTENSIONS = (
    "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n"
    "subjectKeyIdentifier=hash\n"
)
CLIENTS = {
    "admin": "/O=system:masters/CN=admin",
    "kube-controller-manager": "/CN=system:kube-controller-manager",
    "kube-scheduler": "/CN=system:kube-scheduler",
    "kube-proxy": "/CN=system:kube-proxy",
}


def certificate(name: str) -> str:
    """The path of a certificate."""
    return str(CERTIFICATES / f"{name}.crt")


def key(name: str) -> str:
    """The path of a private key."""
    return str(CERTIFICATES / f"{name}.key")


def create(node: str, server_names: list[str], node_names: list[str]) -> None:
    """Make every certificate and kubeconfig of a new cluster."""
    CERTIFICATES.mkdir(parents=True, exist_ok=True, mode=0o700)
    KUBECONFIGS.mkdir(parents=True, exist_ok=True, mode=0o700)
    _create_authority()
    _create_service_account_key()
    _sign("kube-apiserver", "/CN=kube-apiserver", _server_extensions(server_names))
    _sign("kubelet", f"/O=system:nodes/CN=system:node:{node}", _server_extensions(node_names))
    for name, subject in CLIENTS.items():
        _sign(name, subject, "extendedKeyUsage=clientAuth\n")
    for name in (*CLIENTS, "kubelet"):
        path = KUBECONFIG if name == "admin" else KUBECONFIGS / name
        _write_kubeconfig(name, path)


def kubeconfig(name: str) -> str:
    """The kubeconfig of a component."""
    return str(KUBECONFIGS / name)


def _create_authority() -> None:
    _new_key("ca")
    extensions = CERTIFICATES / "ca.ext"
    extensions.write_text(
        "[req]\ndistinguished_name=name\nx509_extensions=v3\n[name]\n[v3]\n" + AUTHORITY_EXTENSIONS
    )
    command = ["openssl", "req", "-x509", "-new", "-key", key("ca"), "-days", "3650"]
    output([*command, "-subj", "/CN=podhatch-ca", "-config", extensions, "-out", certificate("ca")])


def _create_service_account_key() -> None:
    _new_key("service-account")
    public = CERTIFICATES / "service-account.pub"
    output(["openssl", "pkey", "-in", key("service-account"), "-pubout", "-out", public])


def _new_key(name: str) -> None:
    command = ["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]
    output([*command, "-out", key(name)])


def _server_extensions(addresses: list[str]) -> str:
    names = [f"{'IP' if address[0].isdigit() else 'DNS'}:{address}" for address in addresses]
    return f"extendedKeyUsage=serverAuth,clientAuth\nsubjectAltName={','.join(names)}\n"


def _sign(name: str, subject: str, extensions: str) -> None:
    _new_key(name)
    request = CERTIFICATES / f"{name}.csr"
    output(["openssl", "req", "-new", "-key", key(name), "-subj", subject, "-out", request])
    file = CERTIFICATES / f"{name}.ext"
    file.write_text("keyUsage=critical,digitalSignature\n" + extensions)
    authority = ["-CA", certificate("ca"), "-CAkey", key("ca"), "-CAcreateserial"]
    command = ["openssl", "x509", "-req", "-in", request, *authority, "-days", "3650"]
    output([*command, "-extfile", file, "-out", certificate(name)])


def _write_kubeconfig(name: str, path: Path) -> None:
    cluster = {"server": SERVER, "certificate-authority-data": _encoded(certificate("ca"))}
    user = {
        "client-certificate-data": _encoded(certificate(name)),
        "client-key-data": _encoded(key(name)),
    }
    context = {"cluster": "podhatch", "user": name, "namespace": "default"}
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "podhatch", "cluster": cluster}],
        "users": [{"name": name, "user": user}],
        "contexts": [{"name": "podhatch", "context": context}],
        "current-context": "podhatch",
    }
    path.touch(mode=0o600)
    path.write_text(json.dumps(content, indent=2))


def _encoded(path: str) -> str:
    return base64.b64encode(Path(path).read_bytes()).decode()
