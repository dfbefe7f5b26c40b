import importlib.util
import shlex
import socket
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest
import yaml
from podhatch.cli import __main__
from podhatch.cli.commands import app
from podhatch.cli.errors import ExitCode
from typer.testing import CliRunner

COMMANDS = (
    ["run", "a"],
    ["list"],
    ["get", "a"],
    ["watch", "a"],
    ["logs", "a"],
    ["cancel", "a"],
    ["replay", "a"],
    ["schedule", "list"],
    ["schedule", "create", "a", "2h"],
    ["schedule", "delete", "a"],
    ["cron", "list"],
    ["cron", "create", "a", "0 9 * * *"],
    ["cron", "delete", "a"],
    ["cron", "suspend", "a"],
    ["cron", "resume", "a"],
    ["events", "push", "a"],
    ["events", "list"],
    ["workflows", "list"],
    ["workflows", "get", "a"],
    ["workflows", "pause", "a", "--queue-ttl", "2h", "--cron-runs", "drop"],
    ["workflows", "resume", "a"],
    ["workflows", "delete", "a"],
)


@pytest.fixture
def kubeconfig(tmp_path: Path) -> Path:
    """Return a kubeconfig for a port on which nothing listens."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        server = f"http://127.0.0.1:{closed.getsockname()[1]}"
    return kubeconfig_for(tmp_path, server)


def kubeconfig_for(folder: Path, server: str) -> Path:
    path = folder / "kubeconfig"
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


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_the_error_names_a_cluster_that_does_not_answer(command: list[str], kubeconfig: Path):
    code, output = invoke(*command, "--kubeconfig", str(kubeconfig))
    assert code == ExitCode.UNREACHABLE
    assert output.startswith("error: the API server http://127.0.0.1:")
    assert len(output.splitlines()) == 1


def test_the_error_names_a_missing_kubeconfig(tmp_path: Path):
    code, output = invoke("list", "--kubeconfig", str(tmp_path / "none"))
    assert code == ExitCode.UNREACHABLE
    assert str(tmp_path / "none") in output


@pytest.mark.parametrize(
    "arguments",
    [
        ["get"],
        ["get", "a", "-o", "table"],
        ["gett"],
        ["list", "a"],
        ["run", "a", "--priority", "4"],
        ["cron", "create", "a", "* * * * *", "--policy", "Maybe"],
        ["workflows", "pause", "a", "--cron-runs", "dorp"],
    ],
    ids=" ".join,
)
def test_usage_errors_have_their_own_exit_code(arguments: list[str]):
    code, output = invoke(*arguments)
    assert code == ExitCode.USAGE
    assert "Usage: " in output


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["run", "a", "-i", "{"], "--input: invalid JSON: "),
        (["run", "a", "-i", "[1]"], "--input: expected a JSON object"),
        (["run", "a", "-i", "@none.json"], "--input: cannot read file none.json: "),
        (["run", "a", "-m", "x"], "--metadata: expected KEY=VALUE, got 'x'"),
        (["cron", "create", "a", "@daily", "-i", "7"], "--input: expected a JSON object"),
        (["schedule", "create", "a", "2h", "-i", "7"], "--input: expected a JSON object"),
        (["events", "push", "a", "--payload", "7"], "--payload: expected a JSON object"),
        (["workflows", "pause", "a", "--queue-ttl", "soon"], "--queue-ttl: expected a timedelta"),
        (["list", "-s", "runing"], "--status: expected one of Pending, Running,"),
        (["list", "--since", "soon"], "--since: expected a period such as 30m"),
        (["schedule", "create", "a", "later"], "TIME: expected a period such as 30m"),
        (["run", "a", "--watch", "-o", "json"], "--watch cannot be combined with -o"),
        (["list", "-n", "a/b"], "--namespace: expected lower-case letters"),
        (["run", ""], "expected the name of a Workflow, got"),
        (["get", ""], "expected the name of a WorkflowRun, got"),
        (["cancel", ""], "expected the name of a WorkflowRun, got"),
        (["schedule", "delete", "wfr/"], "expected the name of a WorkflowRun, got"),
        (["cron", "delete", ""], "expected the name of a CronWorkflow, got"),
        (["list", "--workflow", ""], "expected the name of a Workflow, got"),
    ],
    ids=str,
)
def test_the_error_names_an_invalid_argument(arguments: list[str], sentence: str, kubeconfig: Path):
    code, output = invoke(*arguments, "--kubeconfig", str(kubeconfig))
    assert (code, output[:7]) == (ExitCode.USAGE, "error: ")
    assert sentence in output
    assert len(output.splitlines()) == 1


def test_a_typo_in_a_command_names_the_nearest():
    assert "Did you mean 'watch'?" in invoke("wacth", "a")[1]


def test_options_may_stand_before_the_command(kubeconfig: Path):
    first = invoke("--kubeconfig", str(kubeconfig), "list")
    assert first == invoke("list", "--kubeconfig", str(kubeconfig))
    assert first[0] == ExitCode.UNREACHABLE


def test_the_shell_completes_names_and_stays_silent_without_a_cluster(kubeconfig: Path):
    variables = {
        "_PODHATCH_COMPLETE": "complete_bash",
        "COMP_WORDS": f"podhatch --kubeconfig {kubeconfig} get ",
        "COMP_CWORD": "4",
    }
    result = CliRunner().invoke(app, [], prog_name="podhatch", env=variables)
    assert result.output.split() == ["@latest"]


@pytest.mark.parametrize("arguments", [["version", "--client"], ["--version"]], ids=" ".join)
def test_the_version_is_one_line(arguments: list[str]):
    code, output = invoke(*arguments)
    assert code == ExitCode.SUCCEEDED
    assert output.startswith("podhatch 0.")
    assert len(output.splitlines()) == 1


def test_version_client_needs_no_cluster(kubeconfig: Path):
    code, output = invoke("version", "--kubeconfig", str(kubeconfig))
    assert code == ExitCode.UNREACHABLE
    own, error = output.splitlines()
    assert own.startswith("podhatch 0.")
    assert error.startswith("error: the API server http://127")


def test_install_has_a_namespace_of_its_own(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("COLUMNS", "200")
    assert "by default podhatch-system" in invoke("install", "--help")[1]
    assert "by default the namespace of the context" in invoke("list", "--help")[1]


def test_installing_is_one_helm_command(
    kubeconfig: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    arguments = ["install", "--set", "operator.replicas=1", "-n", "x", "--context", "c"]
    code, output = invoke(*arguments, "--dry-run")
    words = shlex.split(output)
    assert code == ExitCode.SUCCEEDED
    assert words[:4] == ["helm", "upgrade", "--install", "podhatch"]
    assert (Path(words[4]) / "values.yaml").is_file()
    assert words[5:] == [
        *["--namespace", "x", "--create-namespace", "--wait"],
        *["--set", "operator.replicas=1", "--kube-context", "c"],
    ]
    monkeypatch.setenv("PATH", str(tmp_path))
    code, output = invoke(*arguments)
    assert code == ExitCode.ERROR
    assert "helm is not on the PATH: install it (https://helm.sh/docs/intro/install); " in output
    assert shlex.join(words) in output


@pytest.mark.parametrize(
    ("status", "code", "line"),
    [
        (0, ExitCode.SUCCEEDED, "podhatch is installed; start with `podhatch run` or kubectl"),
        (1, ExitCode.ERROR, "error: helm failed; see its output above"),
    ],
)
def test_installing_ends_as_helm_ends(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, status: int, code: ExitCode, line: str
):
    helm = tmp_path / "helm"
    helm.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/words\nexit {status}\n')
    helm.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    assert invoke("install") == (code, f"{line}\n")
    assert (tmp_path / "words").read_text().startswith("upgrade --install podhatch ")


@pytest.mark.parametrize("missing", ["rich", "typer"])
def test_a_missing_package_is_named_with_the_way_to_get_it(
    missing: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    def find_spec(name: str) -> ModuleSpec | None:
        return None if name == missing else importlib.util.find_spec(name)

    monkeypatch.setattr(__main__, "find_spec", find_spec)
    with pytest.raises(SystemExit) as exit_info:
        __main__.main()
    assert exit_info.value.code == ExitCode.USAGE
    assert capsys.readouterr().err == (
        "podhatch needs the packages typer and rich: pip install 'podhatch[cli]'\n"
    )
