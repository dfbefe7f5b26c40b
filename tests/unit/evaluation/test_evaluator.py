"""Evaluations in worker processes: their limits, their crashes, whose turn it is, what is kept."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from podhatch.cluster import WORKFLOW_RUN
from podhatch.core.expressions.evaluate import IN_PROCESS
from podhatch.core.expressions.evaluation import Answer, Check, Evaluation, Value
from podhatch_operator.evaluation import evaluator as evaluating
from podhatch_operator.evaluation.evaluator import Evaluator, KeptAnswers
from podhatch_operator.keys import Key
from podhatch_operator.metrics import Metrics

LEVELS = 30
CHAIN = json.dumps(
    {
        "$defs": {
            **{
                f"d{level}": {"allOf": [{"$ref": f"#/$defs/d{level + 1}"}] * 2}
                for level in range(LEVELS)
            },
            f"d{LEVELS}": {},
        },
        "$ref": "#/$defs/d0",
    }
)
"""1 to 2 KB that double their work with each level."""


def asked(check: Check, code: str, **values: object) -> Evaluation:
    written = tuple((name, Value.of(json.dumps(each).encode())) for name, each in values.items())
    return Evaluation(check, code, written or None)


def slow(number: int) -> Evaluation:
    return asked("Input", CHAIN, input={"n": number})


ORDINARY = [
    asked("Condition", "input.n == 1"),
    asked("Condition", "input.n =="),
    asked("Condition", "output.n > input.n", input={"n": 1}, output={"n": 2}),
    asked("Condition", "output.m > input.n", input={"n": 1}, output={"n": 2}),
    asked("Condition", "input == 'a'", input="\ud800"),
    asked("Filter", "payload.n == input.n", input={"n": 1}, payload={"n": 1}),
    asked("Schema", '{"type": "objekt"}'),
    asked("Schema", '{"type": "object"}'),
    asked("Input", '{"required": ["a", "b"]}', input={"n": 1}),
]


class Asker:
    """Asks as reconcilers do: with a key, to which it comes back."""

    def __init__(self) -> None:
        self.back = asyncio.Queue[Key]()
        self.metrics = Metrics()
        self.evaluator = Evaluator(self.back.put_nowait, self.metrics)

    def request(self, name: str, *evaluations: Evaluation, namespace: str = "team") -> None:
        self.evaluator.request(Key(WORKFLOW_RUN.kind, namespace, name), evaluations)

    async def answer(self, evaluation: Evaluation) -> Answer:
        self.request("run", evaluation)
        await self.back.get()
        answer = self.evaluator.answers.get(evaluation)
        assert answer is not None
        return answer


@pytest.fixture
async def asker(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Asker]:
    monkeypatch.delenv("COVERAGE_PROCESS_CONFIG", raising=False)  # measuring takes CPU time, too
    asker = Asker()
    running = asyncio.create_task(asker.evaluator.run())
    yield asker
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


def workers() -> Iterator[int]:
    """Yield the process ids of the workers: the children of our children that serve."""
    for server in _children(os.getpid()):
        if b"podhatch.evaluation.server" in Path(f"/proc/{server}/cmdline").read_bytes():
            yield from _children(server)


def _children(pid: int) -> list[int]:
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
    return [int(each) for each in found.split()]


def ticks(pid: int) -> int:
    """Return the processor time of a process, in hundredths of a second."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


async def test_a_worker_answers_what_this_process_would(asker: Asker) -> None:
    asker.request("run", *ORDINARY)
    await asker.back.get()
    for each in ORDINARY:
        assert asker.evaluator.answers.get(each) == IN_PROCESS.get(each)


async def test_an_evaluation_over_its_deadline_is_a_verdict_and_the_next_goes_on(
    asker: Asker,
) -> None:
    beats = 0

    async def beat() -> None:
        nonlocal beats
        while True:
            await asyncio.sleep(0.001)
            beats += 1

    beating = asyncio.create_task(beat())
    assert await asker.answer(slow(1)) == Answer(
        problems=("it took more than 250 ms",), too_expensive=True
    )
    beating.cancel()
    assert beats > 10, "the event loop waited for the evaluation"
    assert (await asker.answer(asked("Condition", "1 == 1", input={}))).holds


async def test_an_evaluation_that_takes_all_memory_is_a_verdict(asker: Asker) -> None:
    doubling = f"[input]{'.map(each, each + each)' * 12} == []"
    answer = await asker.answer(asked("Condition", doubling, input="y" * 250_000))
    assert answer.too_expensive
    # To fill the memory takes CPU time too, and a slow machine may meet that limit first.
    (problem,) = answer.problems
    assert problem in {"it took more than 128 MiB of memory", "it took more than 250 ms"}
    assert (await asker.answer(asked("Condition", "1 == 1", input={}))).holds


async def test_an_evaluation_that_crashes_its_worker_is_a_verdict(asker: Asker) -> None:
    assert (await asker.answer(asked("Condition", "1 == 1", input={}))).holds
    for pid in workers():  # so that this test has the processor before its worker is out of time
        os.setpriority(os.PRIO_PROCESS, pid, 19)
    asker.request("run", slow(1))
    busy: list[int] = []
    while not busy:
        await asyncio.sleep(0)
        busy = [pid for pid in workers() if ticks(pid) >= 5]
    os.kill(busy[0], signal.SIGSEGV)
    await asker.back.get()
    answer = asker.evaluator.answers.get(slow(1))
    assert answer is not None
    assert answer.problems == ("it crashed its process (SIGSEGV)",)
    assert (await asker.answer(asked("Condition", "2 == 2", input={}))).holds


async def test_no_evaluation_is_blamed_for_a_worker_that_was_killed(asker: Asker) -> None:
    assert (await asker.answer(asked("Condition", "1 == 1", input={}))).holds
    for pid in workers():
        os.kill(pid, signal.SIGKILL)
    assert (await asker.answer(asked("Condition", "2 == 2", input={}))).holds


async def test_a_verdict_is_kept_like_other_answers(asker: Asker) -> None:
    assert (await asker.answer(slow(1))).too_expensive
    again = asker.evaluator.answers.get(slow(1))
    assert again is not None
    assert again.too_expensive


async def test_the_rest_of_a_batch_survives_one_that_is_too_expensive(asker: Asker) -> None:
    value = {"n": 1}
    evaluations = [
        asked("Input", '{"required": ["n"]}', input=value),
        asked("Input", CHAIN, input=value),
        asked("Input", '{"required": ["m"]}', input=value),
    ]
    asker.request("run", *evaluations)
    await asker.back.get()
    first, second, third = (asker.evaluator.answers.get(each) for each in evaluations)
    assert first is not None
    assert first.holds
    assert second is not None
    assert second.too_expensive
    assert third is not None
    assert third.problems == ("spec.input: 'm' is a required property",)


async def test_the_expensive_evaluations_of_a_namespace_keep_no_other_waiting(
    asker: Asker,
) -> None:
    for number in range(5):
        asker.request(f"slow-{number}", slow(number), namespace="hostile")
    asker.request("quick", asked("Condition", "1 == 1", input={}))
    first = [(await asker.back.get()).name for _ in range(2)]
    assert "quick" in first
    rest = [(await asker.back.get()).name for _ in range(4)]
    assert {*first, *rest} == {"quick", *(f"slow-{number}" for number in range(5))}


async def test_keys_come_back_for_what_there_was_no_room_for(
    asker: Asker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluating, "MAX_WAITING_BYTES", 100)
    wanted = {
        f"run-{number}": asked("Condition", "input == 1", input=number) for number in range(40)
    }
    for name, evaluation in wanted.items():
        asker.request(name, evaluation)
    while missing := {
        name for name, each in wanted.items() if asker.evaluator.answers.get(each) is None
    }:
        name = (await asker.back.get()).name
        if name in missing:
            asker.request(name, wanted[name])


async def test_answers_are_kept_within_a_bound() -> None:
    kept = KeptAnswers(max_bytes=100_000)
    evaluations = [asked("Condition", f"input == {number}", input=1) for number in range(2000)]
    for each in evaluations:
        kept.keep(each, Answer(problems=("x" * 100,)))
        kept.get(evaluations[0])
        assert kept.size <= 100_000
    assert kept.get(evaluations[0]) is not None, "what is used stays"
    assert kept.get(evaluations[1]) is None
    assert kept.get(evaluations[-1]) is not None


def test_the_server_loads_nothing_of_the_operator_but_what_evaluates() -> None:
    code = "import sys, podhatch.evaluation.server; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=True, text=True
    )
    modules = set(loaded.stdout.split())
    assert not modules & {"asyncio", "aiohttp", "kopf", "kubernetes", "podhatch_operator.cache"}
