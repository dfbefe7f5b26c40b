"""How code reaches a pod: where a function is found, and the source tree that travels with it.

Scripts run as processes of their own, since only there is a function's module `__main__`.
"""

import base64
import io
import os
import subprocess
import sys
import textwrap
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import podhatch
import pytest
import yaml
from podhatch.api.model import JsonObject
from podhatch.definitions.manifest import source
from podhatch.definitions.manifest.source import source_config_map, zip_tree

SCRIPT = """
from podhatch import Hatchet
hatchet = Hatchet()
orders = hatchet.workflow("orders")

class Shop:
    @staticmethod
    def charge(input, ctx): ...

orders.task()(Shop.charge)

def define():
    @orders.task(parents=orders.tasks)
    def ship(input, ctx): ...

define()
"""
PRINT = 'print("---"); print(orders.to_yaml())'


@dataclass
class Project:
    """A folder with a user's code."""

    root: Path

    def write(self, **files: str) -> None:
        for name, text in files.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def run(
        self, *arguments: str, image: str = "", cwd: Path | None = None, stdin: str = ""
    ) -> str:
        sdk = str(Path(podhatch.__file__).parent.parent)
        process = subprocess.run(
            [sys.executable, *arguments],
            cwd=cwd or self.root,
            env={"PODHATCH_IMAGE": image, "PYTHONPATH": sdk},
            capture_output=True,
            text=True,
            input=stdin,
            check=False,
        )
        return process.stdout + process.stderr

    def objects(self, *arguments: str, **more: Any) -> list[JsonObject]:
        output = self.run(*arguments, **more)
        try:
            return [each for each in yaml.safe_load_all(output) if each]
        except yaml.YAMLError:
            raise AssertionError(output) from None


@pytest.fixture
def project(tmp_path: Path) -> Project:
    root = tmp_path / "project"
    root.mkdir()
    return Project(root)


def functions(workflow: JsonObject) -> list[str]:
    return [task["python"] for task in workflow["spec"]["tasks"]]


def names(config_map: JsonObject) -> list[str]:
    packed = base64.b64decode(config_map["binaryData"]["source.zip"])
    return zipfile.ZipFile(io.BytesIO(packed)).namelist()


class TestWhereFunctionsAreFound:
    def test_a_function_in_a_script_is_found_by_its_name_as_a_module(
        self, project: Project, tmp_path: Path
    ) -> None:
        project.write(**{"orders.py": SCRIPT + PRINT})
        shipped, workflow = project.objects(str(project.root / "orders.py"), cwd=tmp_path)
        assert functions(workflow) == ["orders:Shop.charge", "orders:define.<locals>.ship"]
        assert names(shipped) == ["orders.py"]

    @pytest.mark.parametrize("name", ["my-orders.py", "queue.py", "__main__.py", "run"])
    def test_a_function_in_a_script_that_is_not_a_module_is_found_by_path(
        self, project: Project, name: str
    ) -> None:
        project.write(**{name: SCRIPT + PRINT})
        _, workflow = project.objects(name)
        assert functions(workflow)[0] == f"{name}:Shop.charge"

    def test_a_function_in_a_module_beside_the_script_is_found(self, project: Project) -> None:
        main = f"from shop.flows.orders import orders\n{PRINT}"
        project.write(**{"shop/flows/orders.py": SCRIPT, "main.py": main})
        shipped, workflow = project.objects("main.py")
        assert functions(workflow)[0] == "shop.flows.orders:Shop.charge"
        assert names(shipped) == ["main.py", "shop/flows/orders.py"]

    def test_a_function_in_a_package_is_found_by_its_module(self, project: Project) -> None:
        main = f"from shop import orders\n{PRINT}"
        project.write(**{"shop/__init__.py": SCRIPT, "main.py": main})
        shipped, workflow = project.objects("main.py")
        assert functions(workflow)[0] == "shop:Shop.charge"
        assert names(shipped) == ["main.py", "shop/__init__.py"]

    def test_a_function_in_a_module_that_ran_by_minus_m_is_found(self, project: Project) -> None:
        project.write(**{"shop/orders.py": SCRIPT + PRINT})
        shipped, workflow = project.objects("-m", "shop.orders")
        assert functions(workflow)[0] == "shop.orders:Shop.charge"
        assert names(shipped) == ["shop/orders.py"]

    def test_a_script_inside_a_package_ships_from_the_packages_root(self, project: Project) -> None:
        files = ["shop/__init__.py", "shop/flows/__init__.py", "shop/shared.py"]
        project.write(**dict.fromkeys(files, ""), **{"shop/flows/orders.py": SCRIPT + PRINT})
        shipped, workflow = project.objects("shop/flows/orders.py")
        assert functions(workflow)[0] == "shop/flows/orders.py:Shop.charge"
        assert names(shipped) == sorted([*files, "shop/flows/orders.py"])

    def test_a_file_beside_such_a_script_ships_from_the_packages_root(
        self, project: Project
    ) -> None:
        main = f"from orders import orders\n@orders.task()\ndef last(input, ctx): ...\n{PRINT}"
        project.write(**{"shop/__init__.py": "", "shop/orders.py": SCRIPT, "shop/main.py": main})
        shipped, workflow = project.objects("shop/main.py")
        assert functions(workflow)[0] == "shop/orders.py:Shop.charge"
        assert functions(workflow)[-1] == "shop/main.py:last"
        assert len(names(shipped)) == 3

    def test_a_script_whose_folder_is_imported_as_a_package_is_found(
        self, project: Project
    ) -> None:
        main = f"import sys; sys.path.append('.')\nimport shop.shared\n{SCRIPT}{PRINT}"
        project.write(**{"shop/shared.py": "", "shop/main.py": main})
        shipped, workflow = project.objects("shop/main.py")
        assert functions(workflow)[0] == "shop/main.py:Shop.charge"
        assert names(shipped) == ["shop/main.py", "shop/shared.py"]

    @pytest.mark.parametrize("image", ["", "shop:1"])
    def test_a_function_typed_into_an_interpreter_is_not_found(
        self, project: Project, image: str
    ) -> None:
        output = project.run("-", stdin=SCRIPT + PRINT, image=image)
        assert "workflow 'orders', task 'charge': Shop.charge was typed into an interpr" in output

    def test_functions_in_several_folders_are_not_shipped(self, project: Project) -> None:
        outside = project.root.parent / "outside"
        main = f"""
import sys; sys.path.append({str(outside)!r})
from flows import orders
@orders.task()
def last(input, ctx): ...
{PRINT}
"""
        project.write(**{"../outside/flows.py": SCRIPT, "main.py": main})
        output = project.run("main.py")
        assert "workflow 'orders': its tasks are imported from several folders" in output
        workflow = project.objects("main.py", image="shop:1")[0]
        assert functions(workflow)[-1] == "main:last"

    def test_a_function_in_an_installed_package_is_not_shipped(self, project: Project) -> None:
        main = f"""
import sys, sysconfig
sysconfig.get_paths = lambda *_: dict.fromkeys(("purelib", "platlib", "stdlib"), sys.path[0])
from flows import orders
{PRINT}
"""
        project.write(**{"flows.py": SCRIPT, "main.py": main})
        output = project.run("main.py")
        assert "code is an installed package (flows:Shop.charge), which is not shipped" in output


class TestImages:
    def test_an_image_of_the_environment_replaces_the_source(self, project: Project) -> None:
        project.write(**{"orders.py": SCRIPT + PRINT})
        [workflow] = project.objects("orders.py", image="shop:1")
        assert workflow["spec"]["image"] == "shop:1"
        assert "source" not in workflow["spec"]

    def test_an_image_of_each_task_replaces_the_source(self, project: Project) -> None:
        script = SCRIPT.replace("orders.task(", "orders.task(image='shop:2', ")
        project.write(**{"orders.py": script + PRINT})
        [workflow] = project.objects("orders.py")
        assert [task["image"] for task in workflow["spec"]["tasks"]] == ["shop:2", "shop:2"]

    def test_an_image_of_one_task_does_not_replace_the_source(self, project: Project) -> None:
        script = SCRIPT.replace("orders.task()", "orders.task(image='shop:2')")
        project.write(**{"orders.py": script + PRINT})
        shipped, workflow = project.objects("orders.py")
        assert workflow["spec"]["source"] == {"configMap": shipped["metadata"]["name"]}


def contents(packed: bytes) -> Iterable[tuple[str, bytes]]:
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        for info in archive.infolist():
            yield info.filename, archive.read(info)


class TestTree:
    def test_the_tree_holds_what_belongs_to_the_source(self, project: Project) -> None:
        project.write(
            **{
                "a.py": "a",
                "data/prices.csv": "1,2",
                "pkg/b.py": "b",
                ".env": "secret",
                ".git/config": "",
                "pkg/__pycache__/b.cpython-311.pyc": "",
                "old.pyc": "",
                "node_modules/x.js": "",
                "myenv/pyvenv.cfg": "",
                "myenv/lib/big.py": "",
            }
        )
        os.mkfifo(project.root / "pipe")
        assert dict(contents(zip_tree(project.root))) == {
            "a.py": b"a",
            "data/prices.csv": b"1,2",
            "pkg/b.py": b"b",
        }

    def test_the_tree_arrives_as_it_is(self, project: Project, tmp_path: Path) -> None:
        root = project.root
        project.write(**{"data/a.txt": "a", "bin/tool": "#!/bin/sh\n", "orders.py": ""})
        (root / "bin/tool").chmod(0o755)
        (root / "empty/inner").mkdir(parents=True)
        (root / "linked").symlink_to("data")
        (root / "absolute").symlink_to(root / "data")
        (root / "data/b.txt").symlink_to("../orders.py")
        archive = tmp_path / "source.zip"
        archive.write_bytes(zip_tree(root))
        script = f"""
            from podhatch.runner.loader import enter_source
            import os
            enter_source({str(archive)!r}, "")
            assert os.readlink("linked") == os.readlink("absolute") == "data"
            assert open("linked/a.txt").read() == "a"
            assert os.path.samefile("data/b.txt", "orders.py") and os.path.islink("data/b.txt")
            assert os.access("bin/tool", os.X_OK) and os.stat("orders.py").st_mode & 0o111 == 0
            assert os.path.isdir("empty/inner")
        """
        assert project.run("-c", textwrap.dedent(script)) == ""

    @pytest.mark.parametrize("target", ["../outside", "/etc", "data/../../outside"])
    def test_the_tree_refuses_links_that_lead_out_of_it(
        self, project: Project, target: str
    ) -> None:
        (project.root.parent / "outside").mkdir()
        (project.root / "data").mkdir()
        (project.root / "link").symlink_to(target)
        with pytest.raises(ValueError, match=r"the link link leads out of it, to /"):
            zip_tree(project.root)

    def test_the_tree_refuses_names_that_are_not_utf_8(self, project: Project) -> None:
        Path(os.fsdecode(os.fsencode(project.root) + b"/caf\xe9.txt")).touch()
        with pytest.raises(ValueError, match=r"the file 'caf\\udce9.txt' is not UTF-8: rename it"):
            zip_tree(project.root)

    def test_the_same_files_make_the_same_bytes(self, project: Project) -> None:
        project.write(**{"b.py": "b", "a.py": "a"})
        first = source_config_map(project.root)
        os.utime(project.root / "a.py", (0, 0))
        (project.root / "b.py").chmod(0o640)
        assert source_config_map(project.root) == first
        project.write(**{"b.py": "c"})
        assert source_config_map(project.root)["metadata"]["name"] != first["metadata"]["name"]

    def test_the_tree_is_an_immutable_config_map(self, project: Project) -> None:
        project.write(**{"a.py": "a"})
        config_map = source_config_map(project.root)
        assert config_map["immutable"] is True
        assert config_map["metadata"]["name"].startswith("src-")
        assert len(config_map["metadata"]["name"]) == 20
        assert config_map["metadata"]["labels"] == {"app.kubernetes.io/managed-by": "podhatch"}

    def test_a_tree_that_is_too_large_names_the_largest_files(self, project: Project) -> None:
        for number, size in enumerate([400_000, 300_000, 500_000, 10]):
            (project.root / f"{number}.bin").write_bytes(os.urandom(size))
        with pytest.raises(
            ValueError, match=r"largest files are 2\.bin .*0\.bin .*1\.bin"
        ) as error:
            zip_tree(project.root)
        assert "3.bin" not in str(error.value)
        assert "has 1,200," in str(error.value)
        assert "build an image and pass image=" in str(error.value)

    def test_a_huge_tree_is_not_read(
        self, project: Project, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(source, "MAX_TREE_BYTES", 10)
        project.write(**{"a.py": "x" * 11})
        (project.root / "a.py").chmod(0)
        with pytest.raises(ValueError, match="has 11 bytes before it is compressed"):
            zip_tree(project.root)
