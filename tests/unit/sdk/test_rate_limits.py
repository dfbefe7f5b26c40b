"""Rate limits as definitions take them, and as they stand in the Workflow."""

import pytest
from podhatch import Context, EmptyModel, Hatchet, RateLimit, RateLimitDuration


def nothing(input: EmptyModel, ctx: Context) -> None:
    """Do nothing."""


def test_the_limits_of_a_task_stand_in_its_workflow() -> None:
    hatchet = Hatchet()
    limits = [
        RateLimit(static_key="api", units=2),
        RateLimit(dynamic_key="input.tenant", limit="input.most", duration=RateLimitDuration.DAY),
    ]

    @hatchet.task(name="call", image="calls:1", rate_limits=limits)
    def call(input: EmptyModel, ctx: Context) -> None: ...

    [task] = call.workflow.manifest().workflow["spec"]["tasks"]
    assert task["rateLimits"] == [
        {"staticKey": "api", "units": 2},
        {"dynamicKey": "input.tenant", "limit": "input.most", "duration": "DAY"},
    ]


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({}, "expected either static_key or dynamic_key"),
        ({"static_key": "a", "dynamic_key": "'a'"}, "expected either static_key or dynamic_key"),
        ({"dynamic_key": "'a'"}, "limit: required with dynamic_key"),
        ({"static_key": "a", "limit": 1}, "limit: only for dynamic_key; hatchet.rate_limits.put"),
        ({"static_key": 7}, "static_key: expected a non-empty string, got 7"),
        ({"static_key": "a", "units": -1}, "units: expected a whole number from 0 to"),
        ({"static_key": "a", "units": True}, "units: expected a whole number from 0 to"),
        ({"static_key": "a", "duration": "AGE"}, "duration: expected one of SECOND, MINUTE"),
    ],
)
def test_a_limit_that_is_not_valid_is_refused(fields: dict[str, object], problem: str) -> None:
    with pytest.raises(ValueError, match=f"^RateLimit: {problem}"):
        RateLimit(**fields)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("limits", "problem"),
    [
        ("api", "expected a list, got 'api'"),
        (["api"], "expected a RateLimit, got 'api'"),
        ([RateLimit("a")] * 9, "expected at most 8, got 9"),
    ],
)
def test_what_is_no_list_of_limits_is_refused(limits: object, problem: str) -> None:
    with pytest.raises(ValueError, match=f"rate_limits: {problem}"):
        Hatchet().task(name="call", rate_limits=limits)(nothing)  # pyright: ignore[reportArgumentType]


def test_an_expression_that_does_not_compile_is_refused() -> None:
    @Hatchet().task(name="call", rate_limits=[RateLimit(dynamic_key="((", limit=1)])
    def call(input: EmptyModel, ctx: Context) -> None: ...

    with pytest.raises(ValueError, match=r"rate_limits\[0\].dynamic_key: "):
        call.workflow.manifest()
