"""Every YAML block of the documentation, and every example, is what the API server accepts."""

import re
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest
import yaml
from podhatch.api.crds import DEFINITIONS, REPOSITORY
from podhatch.api.labels import GROUP
from podhatch.api.model import JsonObject
from podhatch.api.workflow import Workflow
from podhatch.core.expressions.evaluate import IN_PROCESS
from podhatch.core.expressions.evaluation import Questions
from podhatch.core.expressions.input_check import fit_problems
from podhatch.core.workflow.validate import workflow_problems

from tests.unit.docs.pages import blocks

TEXTS = {
    **blocks("yaml"),
    **{path.name: path.read_text() for path in sorted((REPOSITORY / "examples").glob("*.yaml"))},
}
EACH_TEXT = pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS.keys())


def documents(text: str) -> list[JsonObject]:
    return list(yaml.safe_load_all(text))


def strict(schema: JsonObject) -> JsonObject:
    """Return the schema with unknown fields refused, as kubectl has the API server do."""
    if schema.get("x-kubernetes-preserve-unknown-fields"):
        return schema
    changed: JsonObject = dict(schema)
    if "properties" in schema:
        changed["properties"] = {key: strict(of) for key, of in schema["properties"].items()}
        changed["additionalProperties"] = False
    if "items" in schema:
        changed["items"] = strict(schema["items"])
    return changed


def validators() -> Iterator[tuple[str, jsonschema.Draft4Validator]]:
    """Yield a validator for each kind; OpenAPI 3.0 has JSON Schema's words of draft 4."""
    for definition in DEFINITIONS:
        [version] = definition.to_wire()["spec"]["versions"]
        schema = strict(version["schema"]["openAPIV3Schema"])
        schema["properties"]["metadata"] = {"type": "object"}
        yield definition.model.__name__, jsonschema.Draft4Validator(schema)


VALIDATORS = dict(validators())


def is_own(document: JsonObject) -> bool:
    """Whether it is podhatch's kind; Kubernetes' own ones are tested against an API server."""
    return str(document["apiVersion"]).startswith(f"{GROUP}/")


def complaints(document: JsonObject) -> list[str]:
    validator: Any = VALIDATORS[document["kind"]]  # its stubs are only partly typed
    return [error.message for error in validator.iter_errors(document)]


@EACH_TEXT
def test_a_documented_manifest_has_the_fields_and_types_of_the_definitions(text: str):
    for document in filter(is_own, documents(text)):
        assert complaints(document) == []


@EACH_TEXT
def test_the_workflows_of_a_page_can_run_its_runs(text: str):
    workflows = {
        document["metadata"]["name"]: Workflow.model_validate(document).spec
        for document in documents(text)
        if document["kind"] == "Workflow"
    }
    for spec in workflows.values():
        assert workflow_problems(spec, Questions(IN_PROCESS)) == []
    own = filter(is_own, documents(text))
    for run in (document["spec"] for document in own if "input" in document["spec"]):
        spec = workflows.get(run["workflow"])
        if spec is not None and spec.input_schema is not None:
            assert fit_problems(run["input"], spec.input_schema, Questions(IN_PROCESS)) == ()


@EACH_TEXT
def test_no_shell_runs_what_is_in_an_input(text: str):
    assert re.findall(r"(?<!\$)\$\(PODHATCH_\w+\)", text) == []


def test_an_unknown_field_is_found():
    [document] = documents(TEXTS["docs/yaml/workflows.md#1"])
    document["spec"]["tasks"][0]["priority"] = 3
    [complaint] = complaints(document)
    assert "'priority' was unexpected" in complaint
