"""From `module:function` to a call: modules, files, sources, definitions, inputs."""

import json
import zipfile
from pathlib import Path

import pytest
from podhatch.api import pod
from podhatch.api.names import source_name

from tests.unit.runner.conftest import Ended, Pod

PLAIN = "def charge(input, ctx): return input['id']"
WORKFLOW = """
from pydantic import BaseModel
from podhatch import Hatchet

class Order(BaseModel):
    id: int

hatchet = Hatchet()
orders = hatchet.workflow("Orders", input_type=Order)

@orders.task()
def charge(input, ctx):
    return {"id": input.id, "model": type(input).__name__}
"""


@pytest.mark.parametrize(
    ("file", "location"),
    [
        ("orders.py", "orders:charge"),
        ("shop/orders.py", "shop.orders:charge"),
        ("shop/orders.py", "shop/orders.py:charge"),
        ("my-orders.py", "my-orders.py:charge"),
        ("queue.py", "queue.py:charge"),
    ],
)
def test_a_function_is_found_by_module_or_path(task_pod: Pod, file: str, location: str) -> None:
    task_pod.write(file, PLAIN)
    assert task_pod.run(PODHATCH_PYTHON=location).output == 7


def test_a_script_finds_what_lies_beside_it(task_pod: Pod) -> None:
    task_pod.write("shop/prices.py", "PRICE = 3")
    task_pod.write("shop/orders.py", "import prices\ndef charge(): return prices.PRICE")
    assert task_pod.run(PODHATCH_PYTHON="shop/orders.py:charge").output == 3


def test_a_method_of_a_class_is_found(task_pod: Pod) -> None:
    ended = task_pod.run(
        "class Shop:\n    @staticmethod\n    def charge(input, ctx): return 1",
        PODHATCH_PYTHON="orders:Shop.charge",
    )
    assert ended.output == 1


@pytest.mark.parametrize(
    ("parameters", "returned", "output"),
    [
        ("", "0", 0),
        ("input", "input", {"id": 7}),
        ("input, ctx", "[input, ctx.task_name]", [{"id": 7}, "charge"]),
        ("*everything", "len(everything)", 2),
        ("input, /, *, flag=True", "input", {"id": 7}),
        ("input: dict", "input", {"id": 7}),
        ("input: 'Order'", "input.id", 7),
        ("input: 'Data'", "input.id", 7),
        ("input: 'NowhereDefined'", "input", {"id": 7}),
    ],
)
def test_a_function_gets_the_arguments_it_takes(
    task_pod: Pod, parameters: str, returned: str, output: object
) -> None:
    models = """
from dataclasses import dataclass
from pydantic import BaseModel

class Order(BaseModel):
    id: int

@dataclass
class Data:
    id: int
""" if "Order" in parameters or "Data" in parameters else ""  # fmt: skip
    ended = task_pod.run(f"{models}\ndef charge({parameters}): return {returned}")
    assert ended.output == output


def test_a_task_gets_the_input_model_of_its_workflow(task_pod: Pod) -> None:
    assert task_pod.run(WORKFLOW).output == {"id": 7, "model": "Order"}


def test_a_task_is_found_by_name_wherever_it_was_defined(task_pod: Pod) -> None:
    ended = task_pod.run("""
        from podhatch import Hatchet
        orders = Hatchet().workflow("Orders")

        def define():
            @orders.task(name="charge")
            def local(input, ctx):
                return HERE
        define()
        HERE = "globals are alive"
    """, PODHATCH_PYTHON="orders:define.<locals>.local")  # fmt: skip
    assert ended.output == "globals are alive"


def test_a_workflow_of_another_name_may_use_a_task_or_a_standalone(task_pod: Pod) -> None:
    task_pod.write("orders.py", WORKFLOW + "\n@hatchet.task()\ndef alone(input, ctx): return 5")
    other = {pod.WORKFLOW: "from-yaml"}
    assert task_pod.run(**other).output == {"id": 7, "model": "Order"}
    assert task_pod.run(**other, PODHATCH_PYTHON="orders:alone").output == 5


@pytest.mark.parametrize(
    "run",
    [
        "orders.run(Order(id=1))",
        "import asyncio; asyncio.run(orders.aio_run(Order(id=1)))",
        "try:\n    orders.run(Order(id=1))\nexcept Exception:\n    pass",
    ],
)
def test_a_run_at_the_top_level_ends_the_import_there(task_pod: Pod, run: str) -> None:
    ended = task_pod.run(f"{WORKFLOW}\n{run}\nraise AssertionError('went on')\n")
    assert ended.output == {"id": 7, "model": "Order"}
    assert ended.stderr == ""


def test_a_module_that_stopped_at_a_run_can_be_imported_and_pickled(task_pod: Pod) -> None:
    task_pod.write("shop/orders.py", """
from dataclasses import dataclass
import pickle
from podhatch import Hatchet
orders = Hatchet().workflow("Orders")

@dataclass
class Item:
    name: str

@orders.task()
def charge(input, ctx):
    import shop.orders
    return shop.orders.Item is Item and pickle.loads(pickle.dumps(Item("a"))).name
orders.run()
""")  # fmt: skip
    assert task_pod.run(PODHATCH_PYTHON="shop.orders:charge").output == "a"


def test_a_package_that_runs_at_its_top_level_is_loaded(task_pod: Pod) -> None:
    task_pod.write("shop/__init__.py", "import podhatch\npodhatch.Hatchet().workflow('x').run()")
    task_pod.write("shop/orders.py", PLAIN)
    assert task_pod.run(PODHATCH_PYTHON="shop.orders:charge").output == 7


def _refused(ended: Ended, location: str) -> str:
    """Return the message of a failure that must name workflow, task and location."""
    assert ended.exit_code == pod.EXIT_FAILED
    message: str = ended.error["message"]
    for name in ("Orders", "charge", location):
        assert name in message
    return message


@pytest.mark.parametrize(
    ("location", "kind", "part"),
    [
        ("nowhere:charge", "ModuleNotFound", "no module nowhere"),
        ("nowhere.orders:charge", "ModuleNotFound", "no module nowhere"),
        ("orders.inner:charge", "ModuleNotFound", "no module orders.inner"),
        ("lost/orders.py:charge", "ModuleNotFound", "no file"),
        ("orders:refund", "FunctionNotFound", "no function refund"),
        ("orders:NUMBER", "FunctionNotFound", "no function NUMBER"),
        ("orders:charge.inner", "FunctionNotFound", "no function charge.inner"),
        ("orders", "InvalidLocation", "module:function"),
        (":charge", "InvalidLocation", "module:function"),
    ],
)
def test_what_is_not_there_is_named_without_a_traceback(
    task_pod: Pod, location: str, kind: str, part: str
) -> None:
    ended = task_pod.run(f"NUMBER = 1\n{PLAIN}", PODHATCH_PYTHON=location)
    assert ended.error["type"] == kind
    assert part in _refused(ended, location)
    assert "Traceback" not in ended.stderr
    assert "traceback" not in ended.error


@pytest.mark.parametrize(
    ("code", "kind", "part"),
    [
        ("import nowhere", "ModuleNotFoundError", "No module named 'nowhere'"),
        ("1 / 0", "ZeroDivisionError", "division by zero"),
        ("def broken(:", "SyntaxError", "invalid syntax"),
        ("import sys; sys.exit(3)", "SystemExit", "sys.exit(3)"),
    ],
)
@pytest.mark.parametrize("file", ["orders.py", "orders/__init__.py"])
def test_an_import_error_keeps_the_users_traceback(
    task_pod: Pod, file: str, code: str, kind: str, part: str
) -> None:
    task_pod.write(file, code)
    task_pod.write("orders/charges.py", PLAIN)
    location = "orders:charge" if file == "orders.py" else "orders.charges:charge"
    if file == "orders.py":
        (task_pod.folder / "code" / "orders" / "charges.py").unlink()
        (task_pod.folder / "code" / "orders").rmdir()
    ended = task_pod.run(PODHATCH_PYTHON=location)
    assert ended.error["type"] == kind
    assert part in _refused(ended, location)
    assert file in ended.error["traceback"]
    assert "importlib" not in ended.error["traceback"]
    assert "podhatch/runner" not in ended.error["traceback"]


def test_an_input_that_does_not_fit_names_the_field(task_pod: Pod) -> None:
    ended = task_pod.run(WORKFLOW, PODHATCH_INPUT='{"id": "seven"}')
    assert ended.exit_code == pod.EXIT_FAILED
    assert ended.error["type"] == "InputInvalid"
    assert "id:" in ended.error["message"]
    assert "traceback" not in ended.error


def test_a_source_is_unpacked_and_comes_first(task_pod: Pod, tmp_path: Path) -> None:
    task_pod.write("orders.py", "raise AssertionError('the image, not the source')")
    archive = tmp_path / "source.zip"
    with zipfile.ZipFile(archive, "w") as source:
        source.writestr("orders.py", "def charge():\n    return open('data/prices.csv').read()")
        source.writestr("data/prices.csv", "apple,3")
    ended = task_pod.run(PODHATCH_SOURCE=str(archive), TMPDIR=str(tmp_path))
    assert ended.output == "apple,3"


@pytest.mark.parametrize("is_forged", [False, True])
def test_a_source_must_match_the_hash_in_its_name(
    task_pod: Pod, tmp_path: Path, is_forged: bool
) -> None:
    archive = tmp_path / "source.zip"
    with zipfile.ZipFile(archive, "w") as source:
        source.writestr("orders.py", "def charge():\n    return 'mine'")
    name = source_name(b"another tree" if is_forged else archive.read_bytes())
    ended = task_pod.run(PLAIN, PODHATCH_SOURCE=str(archive), PODHATCH_SOURCE_NAME=name)
    if is_forged:
        assert ended.error["type"] == "SourceChanged"
        assert f"ConfigMap {name} does not hold the source" in ended.error["message"]
    else:
        assert ended.output == "mine"


@pytest.mark.parametrize("content", [None, b"not a zip"])
def test_a_source_that_cannot_be_read_is_an_error(
    task_pod: Pod, tmp_path: Path, content: bytes | None
) -> None:
    archive = tmp_path / "source.zip"
    if content:
        archive.write_bytes(content)
    ended = task_pod.run(PLAIN, PODHATCH_SOURCE=str(archive))
    assert ended.exit_code == pod.EXIT_FAILED
    assert ended.error["type"] == "SourceUnreadable"
    assert str(archive) in ended.error["message"]


@pytest.mark.parametrize(("name", "target"), [("a", "../b"), ("a", "/etc"), ("../a", "b")])
def test_a_source_with_a_link_that_leads_out_of_it_is_refused(
    task_pod: Pod, tmp_path: Path, name: str, target: str
) -> None:
    archive = tmp_path / "source.zip"
    with zipfile.ZipFile(archive, "w") as source:
        link = zipfile.ZipInfo(name)
        link.external_attr = 0o120777 << 16
        source.writestr(link, target)
    ended = task_pod.run(PLAIN, PODHATCH_SOURCE=str(archive), TMPDIR=str(tmp_path))
    assert ended.error["type"] == "SourceUnreadable"
    assert f"the link {name} leads out of it" in ended.error["message"]


def test_a_script_inside_a_package_is_loaded_from_its_source(task_pod: Pod, tmp_path: Path) -> None:
    archive = tmp_path / "source.zip"
    with zipfile.ZipFile(archive, "w") as source:
        source.writestr("shop/__init__.py", "")
        source.writestr("shop/shared.py", "PRICE = 3")
        source.writestr("shop/beside.py", "TAX = 1")
        code = "import beside\ndef charge():\n import shop.shared\n"
        source.writestr("shop/orders.py", f"{code} return shop.shared.PRICE + beside.TAX")
    location = "shop/orders.py:charge"
    ended = task_pod.run(PLAIN, PODHATCH_SOURCE=str(archive), PODHATCH_PYTHON=location)
    assert ended.output == 4


def test_a_large_input_and_parents_come_by_file(task_pod: Pod, tmp_path: Path) -> None:
    big = "ü" * 100_000
    (tmp_path / "input.json").write_text(json.dumps({"text": big}, ensure_ascii=False))
    (tmp_path / "parents.json").write_text(json.dumps({"load": [big]}))
    del task_pod.variables[pod.INPUT], task_pod.variables[pod.PARENTS]
    ended = task_pod.run(
        "def charge(input, ctx): return [len(input['text']), len(ctx.task_output('load')[0])]",
        PODHATCH_INPUT_FILE=str(tmp_path / "input.json"),
        PODHATCH_PARENTS_FILE=str(tmp_path / "parents.json"),
    )
    assert ended.output == [100_000, 100_000]
