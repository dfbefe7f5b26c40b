"""The definitions as files: nobody forgot to generate them, and they keep Kubernetes' conventions.

What only an API server can judge, such as the cost of rules, is for the integration tests.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from podhatch.api import crds
from podhatch.api.crds import DEFINITIONS, REPOSITORY, ResourceDefinition
from podhatch.api.model import JsonObject

ALLOWED_KEYS = {
    "additionalProperties",
    "default",
    "description",
    "anyOf",
    "enum",
    "exclusiveMaximum",
    "exclusiveMinimum",
    "format",
    "items",
    "maxItems",
    "maxLength",
    "maxProperties",
    "maximum",
    "minItems",
    "minLength",
    "minProperties",
    "minimum",
    "pattern",
    "properties",
    "required",
    "type",
    "x-kubernetes-int-or-string",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-list-type",
    "x-kubernetes-preserve-unknown-fields",
    "x-kubernetes-validations",
}

each_definition = pytest.mark.parametrize("definition", DEFINITIONS, ids=lambda d: d.plural)


def schema_of(definition: ResourceDefinition) -> JsonObject:
    return definition.to_wire()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]


def nodes(schema: JsonObject, path: str = "") -> Iterator[tuple[str, JsonObject]]:
    """Every schema in a schema, with the path of the field it is for."""
    yield path, schema
    for name, child in schema.get("properties", {}).items():
        yield from nodes(child, f"{path}.{name}")
    for key, sign in (("items", "[]"), ("additionalProperties", "{}")):
        if key in schema:
            yield from nodes(schema[key], f"{path}{sign}")


def own_nodes(definition: ResourceDefinition) -> Iterator[tuple[str, JsonObject]]:
    """Every node but those the API server itself fills in."""
    for path, node in nodes(schema_of(definition)):
        if path not in (".metadata", ".apiVersion", ".kind"):
            yield path, node


def test_the_committed_files_are_what_the_models_say() -> None:
    assert crds.outdated(REPOSITORY) == [], "run `python -m podhatch.api.crds`"


def test_the_committed_files_are_all_there_is() -> None:
    for folder in ("crds", "charts/podhatch/templates/crds"):
        found = {path.relative_to(REPOSITORY) for path in (REPOSITORY / folder).iterdir()}
        assert found == {
            path for path in crds.files() if path.parts[:-1] == tuple(folder.split("/"))
        }


def test_a_changed_file_is_outdated(tmp_path: Path) -> None:
    for path, text in crds.files().items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    assert crds.outdated(tmp_path) == []
    changed, missing, *_ = crds.files()
    (tmp_path / changed).write_text("{}")
    (tmp_path / missing).unlink()
    assert crds.outdated(tmp_path) == [changed, missing]


@each_definition
def test_every_field_says_what_it_is_and_begins_with_its_name(
    definition: ResourceDefinition,
) -> None:
    for path, node in own_nodes(definition):
        name = path.rpartition(".")[2]
        if path and not name.endswith(("[]", "{}")):
            assert re.match(rf"{name}\b", node.get("description", "")), path
        assert "\n" not in node.get("description", "").replace("\n\n", ""), path


@each_definition
def test_the_schemas_of_crds_are_structural(definition: ResourceDefinition) -> None:
    for path, node in nodes(schema_of(definition)):
        assert set(node) <= ALLOWED_KEYS, path
        if "x-kubernetes-int-or-string" in node:
            assert node["anyOf"] == [{"type": "integer"}, {"type": "string"}], path
        else:
            assert isinstance(node["type"], str), path
            assert "anyOf" not in node, path
        assert not ("properties" in node and "additionalProperties" in node), path
        assert set(node.get("required", [])) <= set(node.get("properties", {})), path


@each_definition
def test_everything_has_a_bound(definition: ResourceDefinition) -> None:
    for path, node in own_nodes(definition):
        match node.get("type"):
            case None:
                assert {"minimum", "maxLength"} <= set(node), path
            case "string":
                assert "maxLength" in node or "enum" in node or node.get("format"), path
            case "array":
                assert "maxItems" in node, path
            case "number":
                assert {"minimum", "maximum"} <= set(node), path
            case "integer":
                assert node["format"] in ("int32", "int64"), path
            case "object":
                open_object = node.get("x-kubernetes-preserve-unknown-fields", False)
                assert open_object or "properties" in node or "maxProperties" in node, path
            case other:
                assert other == "boolean", path


@each_definition
def test_list_maps_have_a_key_that_each_entry_must_have(definition: ResourceDefinition) -> None:
    for path, node in own_nodes(definition):
        for key in node.get("x-kubernetes-list-map-keys", []):
            assert node["x-kubernetes-list-type"] == "map", path
            assert key in node["items"]["required"], path


@each_definition
def test_rules_tell_the_user_what_is_wrong(definition: ResourceDefinition) -> None:
    for path, node in own_nodes(definition):
        for rule in node.get("x-kubernetes-validations", []):
            assert len(rule["message"]) > 20, path


@each_definition
def test_conditions_are_those_of_kubernetes(definition: ResourceDefinition) -> None:
    for path, node in own_nodes(definition):
        if path.endswith(".conditions"):
            assert node["x-kubernetes-list-map-keys"] == ["type"], path
            assert set(node["items"]["properties"]) == {
                *("type", "status", "reason", "message"),
                *("lastTransitionTime", "observedGeneration"),
            }


@each_definition
def test_columns_and_selectable_fields_exist(definition: ResourceDefinition) -> None:
    paths = dict(nodes(schema_of(definition)))
    for column in definition.columns:
        if not column.path.startswith(".metadata"):
            path = re.sub(r"\[(\*|\d+)\]\.?", lambda match: "[]." * ("." in match[0]), column.path)
            assert path.split("[?", maxsplit=1)[0] in paths, column.name
    for path in definition.selectable:
        assert paths[path]["type"] in ("string", "boolean", "integer"), path


@each_definition
def test_names_are_easy_to_type(definition: ResourceDefinition) -> None:
    spec = definition.to_wire()["spec"]
    assert spec["scope"] == "Namespaced"
    assert spec["names"]["categories"] == ["podhatch"]
    assert spec["names"]["shortNames"] == [definition.short_name]


def test_only_kinds_with_a_status_have_one() -> None:
    with_status = {
        definition.plural
        for definition in DEFINITIONS
        if "subresources" in definition.to_wire()["spec"]["versions"][0]
    }
    assert with_status == {
        "workflows",
        "workflowruns",
        "workflowevents",
        "eventfilters",
        "cronworkflows",
        "durablelogs",
        "ratelimits",
    }


@pytest.mark.parametrize("path", [p for p in crds.files() if p.parts[0] == "crds"], ids=str)
def test_the_files_read_back_as_the_definitions(path: Path) -> None:
    manifest = yaml.safe_load((REPOSITORY / path).read_text())
    assert manifest in [definition.to_wire() for definition in DEFINITIONS]
