import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from podhatch import Hatchet
from podhatch.cli.definitions import find_workflow, find_workflows
from podhatch.cli.errors import Refused
from podhatch.cli.place import Place
from podhatch.cli.source import load
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
    [workflow] = find_workflows("flows_a:hatchet", Place(Target()))
    assert workflow.name == "a"
    assert workflow.target.namespace == "from-code"
    assert load("flows_a:inner.value") == 7
    with pytest.raises(Refused, match="flows_a has nothing named never"):
        load("flows_a:never")


def test_a_file_is_found_by_its_path(folder: Path):
    (folder / "deep").mkdir()
    (folder / "deep" / "flows_b.py").write_text(FLOWS.format(name="b"))
    found = find_workflow("deep/flows_b.py:b", Place(Target("elsewhere")))
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
        ("flows", "'flows': write module:name or file.py:name"),
        ("flows_d:", "'flows_d:': write module:name"),
        ("nowhere:x", "there is no module nowhere in "),
        ("nowhere.inner:x", "there is no module nowhere.inner in "),
        ("none.py:x", "there is no file none.py"),
        ("flows_d.py:hatchte", "flows_d.py has nothing named hatchte; did you mean hatchet?"),
        ("faulty.py:x", "importing faulty.py failed: ZeroDivisionError: division by zero"),
        ("ending.py:x", "importing ending.py failed: SystemExit: 3"),
    ],
)
def test_what_is_not_there_is_a_sentence(folder: Path, place: str, sentence: str):
    (folder / "flows_d.py").write_text(FLOWS.format(name="d"))
    (folder / "faulty.py").write_text("1 / 0")
    (folder / "ending.py").write_text("import sys; sys.exit(3)")
    with pytest.raises(Refused) as refused:
        load(place)
    assert str(refused.value).startswith(sentence)


def test_what_defines_no_workflow_is_refused(folder: Path):
    (folder / "flows_e.py").write_text(FLOWS.format(name="e"))
    with pytest.raises(Refused, match="flows_e:empty defines no workflow with a task"):
        find_workflows("flows_e:empty", Place(Target()))
    with pytest.raises(Refused, match="flows_e:inner is neither a workflow nor a task"):
        find_workflows("flows_e:inner", Place(Target()))
