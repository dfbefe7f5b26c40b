"""Objects on the wire: what goes out comes back, and fits the schema the API server has."""

from datetime import UTC, datetime, timedelta, timezone

import jsonschema
import pytest
from podhatch.api.model import ApiObject, JsonObject, ObjectMeta, OwnerReference, format_time
from podhatch.api.schema import crd_schema
from podhatch.api.task import TaskSpec
from podhatch.api.workflow import Workflow, WorkflowSpec
from pydantic import ValidationError

from tests.unit.api import examples


def strict(schema: JsonObject) -> JsonObject:
    """The schema as strict validation applies it: no field the API server does not know."""
    result = dict(schema)
    if "properties" in schema:
        result["properties"] = {k: strict(v) for k, v in schema["properties"].items()}
        result["additionalProperties"] = False
    if "items" in schema:
        result["items"] = strict(schema["items"])
    return result


@pytest.mark.parametrize("example", examples.ALL, ids=lambda e: e.kind)
def test_a_full_object_survives_the_wire(example: ApiObject) -> None:
    wire = example.to_wire()
    assert type(example).model_validate(wire) == example
    schema = strict(crd_schema(type(example)))
    jsonschema.validate(wire, schema, cls=jsonschema.Draft4Validator)


def absent_fields(schema: JsonObject, values: list[JsonObject], path: str) -> list[str]:
    """The fields of the schema that none of the values has."""
    found: list[str] = []
    for name, child in schema.get("properties", {}).items():
        present = [value[name] for value in values if name in value]
        if not present:
            found.append(f"{path}.{name}")
        elif child.get("type") == "array":
            entries = [entry for value in present for entry in value]
            found += absent_fields(child["items"], entries, f"{path}.{name}[]")
        else:
            found += absent_fields(child, present, f"{path}.{name}")
    return found


@pytest.mark.parametrize("kind", sorted({type(each).__name__ for each in examples.ALL}))
def test_the_full_objects_leave_no_field_out(kind: str) -> None:
    full: list[ApiObject] = [each for each in examples.ALL if type(each).__name__ == kind]
    wires = [each.to_wire() for each in full]
    assert absent_fields(crd_schema(type(full[0])), wires, "") == []


def test_absent_and_default_fields_stay_off_the_wire() -> None:
    spec = WorkflowSpec(tasks=[TaskSpec(name="a", python="m:f", cluster_access="report")])
    assert Workflow(spec=spec).to_wire() == {
        "apiVersion": "podhatch.dev/v1alpha1",
        "kind": "Workflow",
        "spec": {"tasks": [{"name": "a", "python": "m:f"}]},
    }


def test_unknown_fields_of_a_newer_version_are_ignored() -> None:
    task = TaskSpec.model_validate({"name": "a", "python": "m:f", "fromTheFuture": 1})
    assert task == TaskSpec(name="a", python="m:f")


def test_a_model_cannot_be_changed() -> None:
    task = TaskSpec(name="a", python="m:f")
    with pytest.raises(ValidationError, match="frozen"):
        task.name = "b"


def test_models_are_equal_if_they_are_of_one_class_and_say_the_same() -> None:
    reference = {"apiVersion": "v1", "kind": "Job", "name": "a", "uid": "u"}
    owner = OwnerReference.model_validate(reference)
    assert owner == OwnerReference.model_validate({**reference, "controller": False})
    assert hash(owner) == hash(owner.model_copy())
    assert owner != OwnerReference.model_validate({**reference, "controller": True})
    assert owner != ObjectMeta(name="a", uid="u")
    assert owner != reference


def test_times_are_written_in_utc_with_microseconds() -> None:
    moment = datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=timezone(timedelta(hours=2)))
    assert format_time(moment) == "2026-01-02T01:04:05.000006Z"
    assert datetime.fromisoformat(format_time(moment)) == moment
    assert format_time(moment.astimezone(UTC)) == format_time(moment)
