import importlib.util
import shlex
import socket
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest
import yaml
from podhatch.cli import __main__, exits
from podhatch.cli.commands import app
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
    "arguments",
    [
        ["get"],
        ["get", "a", "-o", "table"],
        ["gett"],
        ["list", "a"],
        ["run", "a", "--priority", "4"],
        ["cron", "create", "a", "* * * * *", "--policy", "Maybe"],
    ],
    ids=" ".join,
)
def test_wrong_usage_has_its_own_exit_code(arguments: list[str]):
    code, output = invoke(*arguments)
    assert code == exits.USAGE
    assert "Usage: " in output


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["run", "a", "-i", "{"], "--input: this is not JSON: "),
        (["run", "a", "-i", "[1]"], "--input: a JSON object is needed"),
        (["run", "a", "-i", "@none.json"], "--input: the file none.json cannot be read: "),
        (["run", "a", "-m", "x"], "--metadata 'x': it is not of the form KEY=VALUE"),
        (["cron", "create", "a", "@daily", "-i", "7"], "--input: a JSON object is needed"),
        (["schedule", "create", "a", "2h", "-i", "7"], "--input: a JSON object is needed"),
        (["events", "push", "a", "--payload", "7"], "--payload: a JSON object is needed"),
        (["list", "-s", "runing"], "--status 'runing': it is one of Pending, Running,"),
        (["list", "--since", "soon"], "--since 'soon': write a period such as 30m"),
        (["schedule", "create", "a", "later"], "TIME 'later': write a period such as 30m"),
        (["run", "a", "--watch", "-o", "json"], "--watch shows the run, so -o has no place"),
        (["list", "-n", "a/b"], "--namespace 'a/b': no namespace has such a name"),
        (["run", ""], "the name of a Workflow is missing"),
        (["get", ""], "the name of a WorkflowRun is missing"),
        (["cancel", ""], "the name of a WorkflowRun is missing"),
        (["schedule", "delete", "wfr/"], "the name of a WorkflowRun is missing"),
        (["cron", "delete", ""], "the name of a CronWorkflow is missing"),
        (["list", "--workflow", ""], "the name of a Workflow is missing"),
    ],
    ids=str,
)
def test_words_that_mean_nothing_are_named(arguments: list[str], sentence: str, kubeconfig: Path):
    code, output = invoke(*arguments, "--kubeconfig", str(kubeconfig))
    assert (code, output[:7]) == (exits.USAGE, "error: ")
    assert sentence in output
    assert len(output.splitlines()) == 1


def test_a_typo_in_a_command_names_the_nearest():
    assert "Did you mean 'watch'?" in invoke("wacth", "a")[1]


def test_options_may_stand_before_the_command(kubeconfig: Path):
    first = invoke("--kubeconfig", str(kubeconfig), "list")
    assert first == invoke("list", "--kubeconfig", str(kubeconfig))
    assert first[0] == exits.UNREACHABLE


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
    assert code == exits.SUCCEEDED
    assert output.startswith("podhatch 0.")
    assert len(output.splitlines()) == 1


def test_podhatchs_own_version_is_shown_without_a_cluster(kubeconfig: Path):
    code, output = invoke("version", "--kubeconfig", str(kubeconfig))
    assert code == exits.UNREACHABLE
    own, error = output.splitlines()
    assert own.startswith("podhatch 0.")
    assert error.startswith("error: the API server http://127")


def test_the_namespace_of_an_installation_is_its_own(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("COLUMNS", "200")
    assert "by default podhatch-system" in invoke("install", "--help")[1]
    assert "by default the namespace of the context" in invoke("list", "--help")[1]


def test_installing_is_one_helm_command(
    kubeconfig: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    arguments = ["install", "--set", "operator.replicas=1", "-n", "x", "--context", "c"]
    code, output = invoke(*arguments, "--dry-run")
    words = shlex.split(output)
    assert code == exits.SUCCEEDED
    assert words[:4] == ["helm", "upgrade", "--install", "podhatch"]
    assert (Path(words[4]) / "values.yaml").is_file()
    assert words[5:] == [
        *["--namespace", "x", "--create-namespace", "--wait"],
        *["--set", "operator.replicas=1", "--kube-context", "c"],
    ]
    monkeypatch.setenv("PATH", str(tmp_path))
    code, output = invoke(*arguments)
    assert code == exits.REFUSED
    assert "needs helm (https://helm.sh/docs/intro/install), which is not on the PATH; " in output
    assert shlex.join(words) in output


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
