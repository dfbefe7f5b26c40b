"""What plans ask of users' expressions and schemas, and what follows from the answers."""

from dataclasses import replace

import pytest
from podhatch.api.model import JsonObject
from podhatch.core.common.observed import Observed, ObservedEvent, ObservedFilter
from podhatch.core.common.plan import Plan
from podhatch.core.event.filter import plan_filter
from podhatch.core.event.plan import plan_event
from podhatch.core.expressions import evaluate
from podhatch.core.expressions.evaluate import IN_PROCESS
from podhatch.core.expressions.evaluation import (
    NO_ANSWERS,
    Answer,
    Answers,
    Evaluation,
    Questions,
    Value,
)
from podhatch.core.expressions.input_check import fit_problems, schema_problem
from podhatch.core.run.plan import plan_run
from podhatch.core.workflow.validate import check_workflow

from tests.fakes.objects import DEFAULTS, NOW, event, run, task, workflow
from tests.unit.core.planning import plan, reported
from tests.unit.core.test_cel import nested
from tests.unit.core.test_event_filter import event_filter

SLOW = Answer(problems=("it took more than 250 ms",), too_expensive=True)
SKIP: JsonObject = {"parent": {"name": "a", "expression": "output.skip"}}


class TooMuch:
    """Answers that some evaluations are too expensive, and all others."""

    def __init__(self, *checks: str) -> None:
        self._checks = checks

    def get(self, evaluation: Evaluation, /) -> Answer:
        kind = f"{evaluation.check}{'' if evaluation.values is None else ' of values'}"
        return SLOW if kind in self._checks else IN_PROCESS.get(evaluation)


def test_a_plan_that_lacks_answers_is_nothing_but_its_questions() -> None:
    flow = workflow(task("a"), task("b", "a", skipIf=[SKIP]), inputSchema={"type": "object"})
    observed = Observed(run(), flow)
    made = plan_run(observed, DEFAULTS, NOW)
    assert [each.check for each in made.evaluate] == ["Schema", "Condition", "Input"]
    assert made == Plan(evaluate=made.evaluate)
    known = {each: IN_PROCESS.get(each) for each in made.evaluate}
    assert plan_run(replace(observed, answers=known), DEFAULTS, NOW).create


def test_checks_that_lack_answers_are_nothing_but_their_questions() -> None:
    flow = workflow(task("a"), task("b", "a", skipIf=[SKIP]), onEvents=["go"])
    made = check_workflow(flow, NOW)
    assert made == Plan(evaluate=(Evaluation("Condition", "output.skip"),))
    asked = plan_filter(ObservedFilter(event_filter("true"), flow), NOW)
    assert asked == Plan(evaluate=(Evaluation("Filter", "true"),))


def test_an_event_asks_all_its_filters_at_once() -> None:
    rules = [{"expression": f"input.n == {each}", "scope": "eu"} for each in range(3)]
    flow = workflow(task("a"), onEvents=["go"], defaultFilters=rules)
    observed = ObservedEvent(event("go", 1, scope="eu", payload={"n": 1}), [flow])
    made = plan_event(observed, NOW)
    assert len(made.evaluate) == 3
    assert made == Plan(evaluate=made.evaluate)


def test_evaluations_have_one_key_if_they_ask_the_same() -> None:
    one, other = Evaluation("Condition", "true"), Evaluation("Condition", "true", ())
    assert one.key == Evaluation("Condition", "true").key
    assert len({one.key, other.key, Evaluation("Filter", "true").key}) == 3


@pytest.mark.parametrize(
    ("checks", "field"),
    [
        ("Condition", "spec.tasks[b].skipIf: 'output.skip' is too expensive: it took more"),
        ("Filter", "spec.defaultFilters[0].expression: 'true' is too expensive: it took more"),
        ("IdempotencyKey", "spec.idempotency.keyExpression: 'input.id' is too expensive: it took"),
        ("Schema", "spec.inputSchema: too expensive to check: it took more than 250 ms: simplify"),
    ],
)
def test_a_workflow_that_is_too_expensive_to_check_says_so(checks: str, field: str) -> None:
    flow = workflow(
        task("a"),
        task("b", "a", skipIf=[SKIP]),
        defaultFilters=[{"expression": "true", "scope": "eu"}],
        idempotency={"keyExpression": "input.id", "ttlSeconds": 1},
        inputSchema={},
    )
    status = check_workflow(flow, NOW, answers=TooMuch(checks)).status
    assert status is not None
    (condition,) = status["conditions"]
    assert (condition["status"], condition["reason"]) == ("False", "ExpressionTooExpensive")
    assert condition["message"].startswith(field)
    rejected = rejection(Observed(run(), flow, answers=TooMuch(checks)))
    assert rejected["reason"] == "ExpressionTooExpensive"
    assert field in rejected["message"]


def rejection(observed: Observed) -> JsonObject:
    made = plan_run(observed, DEFAULTS, NOW)
    assert made.status is not None
    (accepted,) = [each for each in made.status["conditions"] if each["type"] == "Accepted"]
    return accepted


def test_a_run_whose_input_is_too_expensive_to_check_fails() -> None:
    flow = workflow(task("a"), inputSchema={})
    observed = Observed(run(), flow, answers=TooMuch("Input of values"))
    assert rejection(observed) == rejection(observed) | {
        "reason": "ExpressionTooExpensive",
        "message": "spec.input: too expensive to check against the workflow's inputSchema: "
        "it took more than 250 ms: simplify the schema, or pass less",
    }
    made = plan_run(observed, DEFAULTS, NOW)
    assert made.status is not None
    assert made.status["phase"] == "Failed"


def test_a_filter_that_is_too_expensive_to_compile_is_not_valid() -> None:
    flow = workflow(task("a"), onEvents=["go"])
    status = plan_filter(
        ObservedFilter(event_filter("true"), flow, answers=TooMuch("Filter")), NOW
    ).status
    assert status is not None
    assert status["conditions"][0]["reason"] == "ExpressionTooExpensive"


def test_a_task_whose_condition_is_too_expensive_fails_by_name() -> None:
    flow = workflow(task("a"), task("b", "a", skipIf=[SKIP]))
    made = plan(
        flow, results=reported("a", output='{"skip":false}'), answers=TooMuch("Condition of values")
    )
    assert made.status is not None
    entry = next(each for each in made.status["tasks"] if each["name"] == "b")
    assert (entry["state"], entry["reason"]) == ("Failed", "ExpressionTooExpensive")
    assert entry["message"] == ("skipIf: 'output.skip' is too expensive: it took more than 250 ms")


def problem_of(schema: JsonObject, answers: Answers = IN_PROCESS) -> str | None:
    return schema_problem(schema, Questions(answers))


@pytest.mark.parametrize(
    ("schema", "reference"),
    [
        ({"$ref": "#"}, "#"),
        ({"$dynamicRef": "#"}, "#"),
        ({"allOf": [{"$ref": "#"}]}, "#"),
        ({"not": {"anyOf": [{"then": {"$ref": "#"}}]}}, "#"),
        ({"dependentSchemas": {"a": {"$ref": "#"}}}, "#"),
        (
            {
                "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}},
                "properties": {"x": {"$ref": "#/$defs/a"}},
            },
            "#/$defs/a",
        ),
        ({"$defs": {"a": {"$anchor": "a", "$ref": "#a"}}, "items": {"$ref": "#a"}}, "#a"),
        ({"$defs": {"a": {"$ref": "#/$defs/a"}}, "prefixItems": [{"$ref": "#/$defs/a"}]}, "#/$d"),
        (
            {
                "$id": "https://a.b/c",
                "$defs": {"a": {"$id": "d", "$ref": "d"}},
                "contains": {"$ref": "d"},
            },
            "d",
        ),
    ],
)
def test_references_that_lead_back_to_themselves_are_refused(
    schema: JsonObject, reference: str
) -> None:
    problem = problem_of(schema)
    assert problem is not None
    assert problem.startswith(f"spec.inputSchema: the reference '{reference}")
    assert "leads back to itself" in problem


TREE: JsonObject = {
    "$defs": {
        "tree": {
            "type": "object",
            "properties": {"branches": {"type": "array", "items": {"$ref": "#/$defs/tree"}}},
        }
    },
    "allOf": [{"$ref": "#/$defs/tree"}, {"$ref": "#/$defs/tree"}],
}


@pytest.mark.parametrize(
    "schema",
    [
        TREE,
        {"properties": {"a": {"$ref": "#"}}, "required": ["a"]},
        {"additionalProperties": {"$ref": "#"}},
        {"const": {"$ref": "#"}},
        {"$ref": "https://elsewhere.example/schema"},
        {"items": True, "unevaluatedProperties": False},
    ],
)
def test_a_schema_of_trees_may_refer_to_itself(schema: JsonObject) -> None:
    assert problem_of(schema) is None


def test_a_tree_is_checked_to_its_last_branch() -> None:
    good: JsonObject = {"branches": [{"branches": []}, {}]}
    assert fit_problems(good, TREE, Questions(IN_PROCESS)) == ()
    bad: JsonObject = {"branches": [{"branches": [7]}]}
    problems = fit_problems(bad, TREE, Questions(IN_PROCESS))
    assert problems[0] == "spec.input.branches[0].branches[0]: 7 is not of type 'object'"


def test_a_schema_nested_too_deeply_is_refused() -> None:
    problem = problem_of({"properties": nested(201)})
    assert problem == "spec.inputSchema: nested more than 200 levels deep: flatten it"
    chain = {f"d{each}": {"$ref": f"#/$defs/d{each + 1}"} for each in range(2000)}
    problem = problem_of({"$defs": {**chain, "d2000": {}}, "$ref": "#/$defs/d0"})
    assert problem == "spec.inputSchema: it is nested, or refers to itself, too deeply"


def test_the_first_five_of_many_misfits_are_listed() -> None:
    schema: JsonObject = {"allOf": [False] * 3000}
    problems = fit_problems({"x": "y" * 200_000}, schema, Questions(IN_PROCESS))
    assert len(problems) == 5
    assert all(len(each) < 400 for each in problems)


def test_what_a_schema_cannot_compute_is_told() -> None:
    problems = fit_problems({"a": 1e308}, HUGE, Questions(IN_PROCESS))
    assert problems[0].startswith("spec.inputSchema: cannot be evaluated: ")


HUGE: JsonObject = {"properties": {"a": {"multipleOf": 10**400}}}


def test_nothing_is_known_of_questions_at_first() -> None:
    questions = Questions(NO_ANSWERS)
    assert questions.ask(Evaluation("Condition", "true")) == Answer()
    assert len(questions.missing) == 1


def test_an_evaluation_is_as_large_as_what_it_holds() -> None:
    values = (("input", Value.of(b'"1234"')), ("output", Value.of(b"null")))
    assert Evaluation("Condition", "true", values).size == 4 + 6 + 4
    assert Evaluation("Condition", "true").size == 4


def test_a_long_expression_is_evaluated_as_a_short_one() -> None:
    long = f"'{'x' * evaluate.MAX_KEPT_CHARACTERS}' != ''"
    assert evaluate.answer("Condition", long, b"{}") == Answer(holds=True)


def test_a_lack_of_memory_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(evaluate, "_activation", fail)
    with pytest.raises(MemoryError):
        evaluate.answer("Condition", "true", b"{}")


@pytest.mark.parametrize(
    ("code", "problem"),
    [
        (f"'{'x' * 257}'", "gives a string of 257 characters, and at most 256 are allowed"),
        ("[1]", "gives [1], which is neither a string nor a number"),
    ],
)
def test_a_limit_needs_a_short_string_or_a_number(code: str, problem: str) -> None:
    (found,) = evaluate.answer("RunLimit", code, b"{}").problems
    assert found == problem
