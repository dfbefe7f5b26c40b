"""Where the cluster is and who we are there: a pod's files, kubeconfigs, and faults in them."""

import json
import sys
from pathlib import Path

import pytest
import yaml
from podhatch.cluster import ClusterUnreachable, Connection
from podhatch.cluster import connection as module
from podhatch.cluster.connection import CREDENTIALS_AGE_SECONDS, Credentials


def kubeconfig(path: Path, user: dict[str, object], **cluster: object) -> str:
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": "https://one:6443/", **cluster}}],
        "users": [{"name": "u", "user": user}],
        "contexts": [
            {"name": "main", "context": {"cluster": "c", "user": "u", "namespace": "team"}},
            {"name": "plain", "context": {"cluster": "c", "user": "u"}},
        ],
        "current-context": "main",
    }
    path.write_text(yaml.safe_dump(content))
    return str(path)


@pytest.fixture(autouse=True)
def outside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No cluster but what the test writes."""
    monkeypatch.setattr(module, "SERVICE_ACCOUNT_DIRECTORY", tmp_path / "account")
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


async def test_the_context_gives_server_and_namespace(tmp_path: Path) -> None:
    path = kubeconfig(tmp_path / "config", {"token": "secret"})
    found = await Connection.find(path)
    assert (found.server, found.namespace) == ("https://one:6443", "team")
    assert await found.credentials.refresh() == "Bearer secret"
    assert found.ssl_context is not None
    assert (await Connection.find(path, "plain")).namespace == "default"


async def test_the_environment_names_the_kubeconfig(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", kubeconfig(tmp_path / "config", {"token": "secret"}))
    assert (await Connection.find()).namespace == "team"


async def test_the_kubeconfig_at_home_is_found(tmp_path: Path) -> None:
    (tmp_path / ".kube").mkdir()
    kubeconfig(tmp_path / ".kube" / "config", {"token": "secret"})
    assert (await Connection.find()).namespace == "team"


async def test_an_exec_plugin_gives_the_token(tmp_path: Path) -> None:
    credential = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "kind": "ExecCredential",
        "status": {"token": "from-plugin"},
    }
    plugin = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": sys.executable,
        "args": ["-c", f"print({json.dumps(credential)!r})"],
        "interactiveMode": "Never",
    }
    found = await Connection.find(kubeconfig(tmp_path / "config", {"exec": plugin}))
    assert await found.credentials.refresh() == "Bearer from-plugin"


@pytest.mark.parametrize(
    ("command", "arguments", "why"),
    [
        ("/nowhere/plugin", [], "No such file or directory: '/nowhere/plugin'"),
        ("sh", ["-c", "echo not logged in >&2; exit 3"], "process returned 3. not logged in"),
        ("echo", ["word"], "failed to decode process output"),
    ],
)
async def test_an_exec_plugin_that_gives_nothing_is_named(
    tmp_path: Path,
    command: str,
    arguments: list[str],
    why: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    version = "client.authentication.k8s.io/v1"
    plugin = {"apiVersion": version, "command": command, "args": arguments}
    with pytest.raises(ClusterUnreachable, match=f"its exec plugin: .*{why}"):
        await Connection.find(kubeconfig(tmp_path / "config", {"exec": plugin}))
    assert capsys.readouterr().err == ""


async def test_tls_names_and_doubts_are_kept(tmp_path: Path) -> None:
    options = {"insecure-skip-tls-verify": True, "tls-server-name": "other"}
    found = await Connection.find(kubeconfig(tmp_path / "config", {"token": "t"}, **options))
    assert found.server_name == "other"
    assert found.ssl_context is not None
    assert not found.ssl_context.check_hostname


async def test_a_pod_uses_its_service_account(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "account"
    folder.mkdir()
    (folder / "token").write_text("one\n")
    (folder / "namespace").write_text("team\n")
    (folder / "ca.crt").write_text(_authority())
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "fd00::1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "6443")
    found = await Connection.find()
    assert (found.server, found.namespace) == ("https://[fd00::1]:6443", "team")
    assert await found.credentials.refresh() == "Bearer one"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "there is no such file"),
        ("a: [", "while parsing"),
        ("{}", "current-context"),
        ("word", "it does not hold what a kubeconfig does"),
        ("[1]", "it does not hold what a kubeconfig does"),
        ("{current-context: c, contexts: 3}", "it does not hold what a kubeconfig does"),
    ],
)
async def test_what_is_wrong_is_said_in_a_sentence(
    tmp_path: Path, content: str | None, why: str
) -> None:
    path = tmp_path / "config"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ClusterUnreachable, match=why) as error:
        await Connection.find(str(path))
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


async def test_a_context_that_is_not_there_is_named(tmp_path: Path) -> None:
    path = kubeconfig(tmp_path / "config", {"token": "secret"})
    with pytest.raises(ClusterUnreachable, match="other"):
        await Connection.find(path, "other")


async def test_certificates_that_are_not_there_are_named(tmp_path: Path) -> None:
    user: dict[str, object] = {"client-certificate": "gone.crt", "client-key": "gone.key"}
    with pytest.raises(ClusterUnreachable, match="gone"):
        await Connection.find(kubeconfig(tmp_path / "config", user))


async def test_credentials_are_read_once_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(module.time, "monotonic", lambda: now)
    tokens = iter(["one", "two", "three"])
    credentials = Credentials(lambda: next(tokens))
    assert credentials.fresh() is None
    assert await credentials.refresh() == "one"
    now += CREDENTIALS_AGE_SECONDS - 1
    assert credentials.fresh() == "one"
    now += 2
    assert credentials.fresh() is None
    assert await credentials.refresh() == "two"
    credentials.expire()
    assert await credentials.refresh() == "three"


def _authority() -> str:
    """Return any certificate: the context only has to be able to read it."""
    import certifi

    text = Path(certifi.where()).read_text()
    begin = text.index("-----BEGIN CERTIFICATE-----")
    end = text.index("-----END CERTIFICATE-----") + len("-----END CERTIFICATE-----\n")
    return text[begin:end]
