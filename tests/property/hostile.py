"""Objects made from the CRDs' schemas, with the slips that people and attackers make. Seeded."""

import re
import string
from collections.abc import Callable
from random import Random
from typing import Any

from podhatch.api import labels
from podhatch.api.crds import DEFINITIONS
from podhatch.api.model import JsonObject
from podhatch.api.names import rate_limit_name
from podhatch.api.schema import crd_schema

KINDS = (
    "Workflow",
    "WorkflowRun",
    "WorkflowEvent",
    "EventFilter",
    "CronWorkflow",
    "RateLimit",
    "TaskResult",
)
WEIGHTS = (30, 30, 15, 10, 10, 10, 5)
SCHEMAS = {each.model.__name__: crd_schema(each.model) for each in DEFINITIONS}
TASKS = ("a", "b", "c", "Odd.Name_1")
FLOWS = tuple(f"flow-{number}" for number in range(8))
KEYS = ("paid", "order:1", "*", "päid", "a b")
TIMES = ("2026-11-23T12:00:00Z", "1970-01-01T00:00:00Z", "2999-12-31T23:59:59.999999+14:00")
TEXTS = (
    "",
    "a",
    "x" * 300,
    "ü\u2028\x1b[31m",
    "$(HOME)",
    "../..",
    "null",
    "{",
    "0",
    "-1",
    "1e999",
    "true",
    "m:f",
    "😀" * 20,
)
NUMBERS = (0, 1, -1, 2**31, 2**53 + 1, -(2**63), 2**63 - 1, 1e308, 0.1)
EXPRESSIONS = ("true", "input.a == 1", "1/0 == 1", "((", "output.x.y.z", "'a' + 1")
SCHEDULES = ("* * * * *", "0 0 31 2 *", "61 * * * *", "@hourly", "*/0 * * * *", "0 0 29 2 *")
ZONES = ("UTC", "Europe/Berlin", "Mars/Base", "../etc")
AFFINITY = "requiredDuringSchedulingIgnoredDuringExecution"
TEMPLATES: list[Any] = [
    {},
    {"spec": None},
    {"spec": {"containers": [{"image": "x"}]}},
    {"spec": {"containers": []}},
    {"spec": {"containers": {}}},
    {"spec": {"containers": [{"name": "b"}, {"name": "b"}]}},
    {"spec": {"containers": [{"name": "task", "env": [{}]}]}},
    {"spec": {"containers": [{"name": "task", "command": "sh"}]}},
    {"spec": {"volumes": [{"name": 1}]}},
    {"spec": {"affinity": {"nodeAffinity": {AFFINITY: {}}}}},
    {"spec": {"affinity": {"nodeAffinity": {AFFINITY: {"nodeSelectorTerms": []}}}}},
    {"spec": {"affinity": []}},
    {"spec": {"restartPolicy": "Always"}},
    {"spec": {"terminationGracePeriodSeconds": -1}},
    {"metadata": {"labels": ["a"]}},
    {"metadata": {"labels": {"a": 1, "-": "-"}}},
    {"metadata": "text"},
    {"metadata": {"labels": {"app": "x"}}, "spec": {"priorityClassName": "none"}},
]
JSON_SCHEMAS: list[Any] = [
    {},
    {"type": "object"},
    {"type": "objekt"},
    {"$ref": "#"},
    {"$ref": "#/$defs/none"},
    {"$ref": "http://example.com/x"},
    {"type": "object", "required": ["a"], "properties": {"a": {"type": "integer"}}},
    {"pattern": "(a+)+$"},
    {"allOf": [{"allOf": [{}]}]},
    {"properties": []},
]


class Hostile:
    """Makes objects, always the same from the same seed."""

    def __init__(self, seed: int, namespace: str) -> None:
        self._random = Random(seed)
        self.namespace = namespace
        self._count = 0
        self._named: dict[str, Callable[[], Any]] = {
            "podTemplate": lambda: self.pick(TEMPLATES),
            "inputSchema": lambda: self.pick(JSON_SCHEMAS),
            "expression": lambda: self.pick(EXPRESSIONS),
            "schedule": lambda: self.pick(SCHEDULES),
            "timeZone": lambda: self.pick(ZONES),
            "onCrons": lambda: [self.pick(SCHEDULES) or "x"],
            "workflow": lambda: self.pick(FLOWS),
            "parents": lambda: self.sample(TASKS, 2),
            "key": lambda: self.pick(KEYS),
            "staticKey": lambda: self.pick(KEYS),
            "onEvents": lambda: self.sample(KEYS, 2),
        }

    def objects(self, count: int) -> list[JsonObject]:
        """Return so many objects, of all kinds."""
        kinds = self._random.choices(KINDS, WEIGHTS, k=count)
        return [self.of_kind(kind) for kind in kinds]

    def of_kind(self, kind: str) -> JsonObject:
        """Return an object of a kind."""
        self._count += 1
        name = f"{kind.lower()}-{self._count}"
        if kind == "Workflow" and self.chance(0.5):
            name = FLOWS[self._count % len(FLOWS)]
        spec = self.value(SCHEMAS[kind]["properties"]["spec"], "spec")
        if kind == "RateLimit" and self.chance(0.8):
            name = rate_limit_name(spec["key"])
        if kind == "Workflow":
            spec["tasks"] = [self._task(task) for task in self.sample(TASKS, 4) or ["a"]]
        return {
            "apiVersion": labels.API_VERSION,
            "kind": kind,
            "metadata": {"name": name, "namespace": self.namespace},
            "spec": spec,
        }

    def _task(self, name: str) -> JsonObject:
        schema: JsonObject = SCHEMAS["Workflow"]["properties"]["spec"]["properties"]["tasks"]
        task: JsonObject = self.value(schema["items"], "task") | {"name": name}
        for field in ("python", "container", "image"):
            task.pop(field, None)
        if self.chance(0.1):
            return task  # neither
        return task | self.pick(({"python": "m:f"}, {"container": {"image": "none.invalid/x"}}))

    def value(self, schema: JsonObject, name: str) -> Any:
        if name in self._named:
            return self._named[name]()
        if "enum" in schema:
            return self.pick(schema["enum"])
        if "anyOf" in schema:
            schema = {**schema, **self.pick(schema["anyOf"])}
        match schema["type"]:
            case "object":
                return self._object(schema)
            case "array":
                least = schema.get("minItems", 0)
                count = self._random.randint(least, max(least, 2))
                return [self.value(schema["items"], "") for _ in range(count)]
            case "string":
                return self._text(schema)
            case "boolean":
                return self.chance(0.5)
            case _:
                return self._number(schema)

    def _object(self, schema: JsonObject) -> JsonObject:
        if "properties" not in schema:
            if schema.get("x-kubernetes-preserve-unknown-fields"):
                return self._junk_object()
            inner: JsonObject = schema.get("additionalProperties", {"type": "string"})
            return {self.pick(TEXTS[:4]): self.value(inner, "") for _ in range(2)}
        required = schema.get("required", ())
        return {
            name: self.value(inner, name)
            for name, inner in schema["properties"].items()
            if name in required or self.chance(0.15)
        }

    def _text(self, schema: JsonObject) -> str:
        if schema.get("format") == "date-time":
            return self.pick(TIMES)
        if "pattern" in schema:
            texts = ("m:f", "RunStart", *TASKS, *TIMES)
            found = [each for each in texts if re.search(schema["pattern"], each)]
            return self.pick(found)
        text: str = self.pick(TEXTS) or ("a" if schema.get("minLength") else "")
        return text[: schema.get("maxLength", 300)]

    def _number(self, schema: JsonObject) -> float:
        least, most = schema.get("minimum", -(2**31)), schema.get("maximum", 2**31)
        if schema.get("exclusiveMinimum"):
            least += 0.001
        number = min(max(self.pick((*NUMBERS, least, most)), least), most)
        return int(number) if schema["type"] == "integer" else number

    def _junk_object(self) -> JsonObject:
        if self.chance(0.05):
            return self._nested(self._random.choice((50, 199, 201, 235, 600)))
        return {self.pick(string.ascii_lowercase): self._junk(3) for _ in range(3)}

    def _junk(self, depth: int) -> Any:
        kind = self._random.randrange(6 if depth else 3)
        if kind == 0:
            return self.pick(TEXTS)
        if kind == 1:
            return self.pick(NUMBERS)
        if kind == 2:
            return self.pick((True, False, None))
        if kind == 3:
            return [self._junk(depth - 1) for _ in range(self._random.randrange(4))]
        return {self.pick(TEXTS): self._junk(depth - 1) for _ in range(self._random.randrange(4))}

    def _nested(self, levels: int) -> JsonObject:
        value: JsonObject = {}
        for _ in range(levels):
            value = {"a": value}
        return value

    def pick(self, choices: Any) -> Any:
        return self._random.choice(choices)

    def sample(self, choices: tuple[str, ...], most: int) -> list[str]:
        return self._random.sample(choices, self._random.randint(0, min(most, len(choices))))

    def chance(self, share: float) -> bool:
        return self._random.random() < share
