import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from podhatch import Hatchet
from podhatch.cli.errors import CommandError
from podhatch.cli.source import find_workflow, find_workflows, load
from podhatch.client.target import Target

FLOWS = """
from podhatch import Context, EmptyModel, Hatchet

hatchet = Hatchet(namespace="from-code")
empty = Hatchet()

@hatchet.task()
def {name}(input: EmptyModel, ctx: Context) -> int:
    return 1

class inner:
    value = 7

{name}.run()
never = 1
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    before = set(sys.modules)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


def test_a_module_is_found_in_this_folder_and_its_runs_do_not_happen(folder: Path):
    (folder / "flows_a.py").write_text(FLOWS.format(name="a"))
    [workflow] = find_workflows("flows_a:hatchet", Target())
    assert workflow.name == "a"
    assert workflow.target.namespace == "from-code"
    assert load("flows_a:inner.value") == 7
    with pytest.raises(CommandError, match="flows_a has nothing named never"):
        load("flows_a:never")


def test_where_loading_ends_is_told(folder: Path, capsys: pytest.CaptureFixture[str]):
    (folder / "flows_f.py").write_text(FLOWS.format(name="f"))
    (folder / "importing.py").write_text("two = 2\nfrom flows_f import f\nthree = 3\n")
    load("flows_f.py:f")
    assert capsys.readouterr().err == (
        "note: loading flows_f.py ended at flows_f.py:14, which needs the cluster; workflows "
        "defined below it are not loaded\n"
    )
    del sys.modules["flows_f"]
    assert load("importing:two") == 2
    assert "loading importing ended at flows_f.py:14, " in capsys.readouterr().err


def test_what_a_module_prints_is_kept_out_of_the_output(
    folder: Path, capsys: pytest.CaptureFixture[str]
):
    (folder / "talking.py").write_text("print('hello')\nx = 1\n")
    assert load("talking:x") == 1
    assert capsys.readouterr() == ("", "hello\n")


def test_a_file_is_found_by_its_path(folder: Path):
    (folder / "deep").mkdir()
    (folder / "deep" / "flows_b.py").write_text(FLOWS.format(name="b"))
    found = find_workflow("deep/flows_b.py:b", Target("elsewhere"))
    assert found.target.namespace == "elsewhere"
    assert found.manifest().workflow["metadata"]["namespace"] == "elsewhere"


def test_a_package_is_found(folder: Path):
    (folder / "shop").mkdir()
    (folder / "shop" / "__init__.py").write_text("")
    (folder / "shop" / "flows.py").write_text(FLOWS.format(name="c"))
    assert isinstance(load("shop.flows:hatchet"), Hatchet)


@pytest.mark.parametrize(
    ("place", "sentence"),
    [
        ("flows", "expected module:name or file.py:name, such as orders:hatchet, got 'flows'"),
        (
            "flows_d:",
            "expected module:name or file.py:name, such as orders:hatchet, got 'flows_d:'",
        ),
        ("nowhere:x", "there is no module nowhere in "),
        ("nowhere.inner:x", "there is no module nowhere.inner in "),
        ("none.py:x", "there is no file none.py"),
        ("flows_d.py:hatchte", "flows_d.py has nothing named hatchte; did you mean hatchet?"),
        (
            "faulty.py:x",
            "importing faulty.py failed: ZeroDivisionError: division by zero (faulty.py:1)",
        ),
        (
            "deep.py:x",
            "importing deep.py failed: ZeroDivisionError: division by zero (faulty.py:1)",
        ),
        ("wrong.py:x", "importing wrong.py failed: SyntaxError: "),
        ("ending.py:x", "importing ending.py failed: SystemExit: 3 (ending.py:1)"),
    ],
)
def test_what_is_not_there_is_a_sentence(folder: Path, place: str, sentence: str):
    (folder / "flows_d.py").write_text(FLOWS.format(name="d"))
    (folder / "faulty.py").write_text("1 / 0")
    (folder / "deep.py").write_text("\nimport faulty")
    (folder / "wrong.py").write_text("a b")
    (folder / "ending.py").write_text("import sys; sys.exit(3)")
    with pytest.raises(CommandError) as refused:
        load(place)
    assert str(refused.value).startswith(sentence)


def test_what_defines_no_workflow_is_refused(folder: Path):
    (folder / "flows_e.py").write_text(FLOWS.format(name="e"))
    with pytest.raises(CommandError, match="flows_e:empty defines no workflow with a task"):
        find_workflows("flows_e:empty", Target())
    with pytest.raises(CommandError, match="flows_e:inner is neither a workflow nor a task"):
        find_workflows("flows_e:inner", Target())
