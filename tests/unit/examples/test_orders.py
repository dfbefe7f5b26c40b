"""The orders example, task by task in this process: what its pods compute."""

import json
from pathlib import Path
from typing import Any

from podhatch.api.pod import MAX_ENVIRONMENT_BYTES, MAX_OUTPUT_BYTES
from podhatch.values.codec import dump_json

from examples import orders as example
from examples.data import generate

DATA = Path(generate.__file__).with_name("orders.csv")


def outputs(settings: example.Settings) -> dict[str, Any]:
    """Return each task's output as JSON values, as it travels between pods."""
    done: dict[str, Any] = {}
    for task in example.orders.tasks:
        parents = {parent.name: done[parent.name] for parent in task.parents}
        output = task.mock_run(settings, parent_outputs=parents)
        done[task.name] = json.loads(dump_json(output))
    return done


def test_the_data_file_is_what_its_generator_writes():
    assert DATA.read_text() == generate.orders_csv()


def test_the_report_names_rejected_and_suspicious_orders():
    done = outputs(example.Settings())
    assert done["load"]["rejected"] == {
        "54": "amount: Input should be greater than 0",
        "135": "country: String should match pattern '^[A-Z]{2}$'",
        "219": "amount: Input should be a valid decimal",
        "303": "currency: Input should be 'EUR', 'GBP', 'PLN' or 'USD'",
    }
    assert {suspicion["rule"] for suspicion in done["fraud"]} == {"burst", "large, foreign card"}
    assert done["report"] == {
        "orders": 356,
        "rejected": 4,
        "euros": "30620.44",
        "best_country": "NL",
        "held_orders": 11,
        "held_euros": "7854.34",
    }
    assert done["publish"]["text"] == (
        "356 orders worth 30620.44 EUR, most of it from NL; "
        "11 held back (7854.34 EUR), 4 rows rejected"
    )


def test_stricter_settings_find_more_fraud():
    strict = example.Settings.model_validate({"large_amount": 100, "burst": 2})
    assert len(outputs(strict)["fraud"]) > 11


def test_two_branches_run_side_by_side():
    parents = {task.name: [parent.name for parent in task.parents] for task in example.orders.tasks}
    assert parents == {
        "load": [],
        "revenue": ["load"],
        "fraud": ["load"],
        "report": ["load", "revenue", "fraud"],
        "publish": ["report"],
    }


def test_one_output_is_too_long_for_the_environment_and_within_the_limit():
    size = len(dump_json(outputs(example.Settings())["load"]))
    assert MAX_ENVIRONMENT_BYTES < size < MAX_OUTPUT_BYTES
