import importlib.util
import socket
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest
import yaml
from podhatch.cli import __main__, exits
from podhatch.cli.commands import app
from typer.testing import CliRunner

COMMANDS = (["get", "a"], ["watch", "a"], ["list"])


@pytest.fixture
def kubeconfig(tmp_path: Path) -> Path:
    """Return a kubeconfig for a port on which nothing listens."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        server = f"http://127.0.0.1:{closed.getsockname()[1]}"
    path = tmp_path / "kubeconfig"
    path.write_text(
        yaml.safe_dump(
            {
                "current-context": "c",
                "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
                "clusters": [{"name": "k", "cluster": {"server": server}}],
                "users": [{"name": "u", "user": {}}],
            }
        )
    )
    return path


def invoke(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, arguments)
    return result.exit_code, result.output


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_a_cluster_that_does_not_answer_is_named(command: list[str], kubeconfig: Path):
    code, output = invoke(*command, "--kubeconfig", str(kubeconfig))
    assert code == exits.UNREACHABLE
    assert output.startswith("error: the API server http://127.0.0.1:")
    assert len(output.splitlines()) == 1


def test_a_kubeconfig_that_is_not_there_is_named(tmp_path: Path):
    code, output = invoke("list", "--kubeconfig", str(tmp_path / "none"))
    assert code == exits.UNREACHABLE
    assert str(tmp_path / "none") in output


@pytest.mark.parametrize(
    "arguments", [["get"], ["get", "a", "-o", "table"], ["gett"], ["list", "a"]]
)
def test_wrong_usage_has_its_own_exit_code(arguments: list[str]):
    code, output = invoke(*arguments)
    assert code == exits.USAGE
    assert "Usage: " in output


def test_version():
    code, output = invoke("version")
    assert code == exits.SUCCEEDED
    assert output.startswith("podhatch 0.")


@pytest.mark.parametrize("missing", ["rich", "typer"])
def test_a_missing_package_is_named_with_the_way_to_get_it(
    missing: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    def find_spec(name: str) -> ModuleSpec | None:
        return None if name == missing else importlib.util.find_spec(name)

    monkeypatch.setattr(__main__, "find_spec", find_spec)
    with pytest.raises(SystemExit) as exit_info:
        __main__.main()
    assert exit_info.value.code == exits.USAGE
    assert capsys.readouterr().err == (
        "the command podhatch needs typer and rich: pip install 'podhatch[cli]'\n"
    )
