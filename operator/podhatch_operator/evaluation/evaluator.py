"""Queues evaluations by namespace, sends them to the workers in turn, and keeps the answers.

A reconciler requests evaluations for its key and returns. Once they are answered, the key is put
back into the work queue. So no part of the operator waits for what users write.
"""

import asyncio
import logging
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import islice

from podhatch.core.expressions.evaluation import Answer, Evaluation
from podhatch.evaluation.protocol import MAX_LOST, NO_REPLY

from podhatch_operator.evaluation.process import EvaluationServer, EvaluationWorker, ServerLost
from podhatch_operator.keys import Key
from podhatch_operator.metrics import Metrics

WORKERS = 2
MAX_KEPT_BYTES = 16 * 1024 * 1024
"""Memory for answers."""
MAX_WAITING_BYTES = 4 * 1024 * 1024
"""Size of a namespace's evaluations that wait; keys that need more come back when there is room."""
AGAIN_SECONDS, AGAIN_AT_ONCE = 0.1, 16
"""How often such keys come back, and how many at once."""
MAX_AT_ONCE = 256
"""Evaluations for one key at once; it requests the others next."""
MAX_BATCH = 32
RESTART_SECONDS = 0.5
_ANSWER_BYTES = 300
"""Memory for an answer without its texts."""

logger = logging.getLogger(__name__)


class KeptAnswers:
    """Recent answers by evaluation. The least recently used ones are dropped first."""

    def __init__(self, max_bytes: int = MAX_KEPT_BYTES) -> None:
        self._max_bytes = max_bytes
        self._answers: OrderedDict[bytes, Answer] = OrderedDict()
        self.size = 0

    def get(self, evaluation: Evaluation, /) -> Answer | None:
        """Return the answer, or None if it is not known."""
        answer = self._answers.get(evaluation.key)
        if answer is not None:
            self._answers.move_to_end(evaluation.key)
        return answer

    def keep(self, evaluation: Evaluation, answer: Answer) -> None:
        """Keep an answer."""
        old = self._answers.pop(evaluation.key, None)
        self._answers[evaluation.key] = answer
        self.size += _cost(answer) - (_cost(old) if old else 0)
        while self.size > self._max_bytes:
            _, dropped = self._answers.popitem(last=False)
            self.size -= _cost(dropped)


def _cost(answer: Answer) -> int:
    value = 4 * len(answer.value) if isinstance(answer.value, str) else 0
    return _ANSWER_BYTES + value + sum(4 * len(problem) for problem in answer.problems)


@dataclass
class _Wanted:
    """An evaluation that waits, and the keys that need it."""

    evaluation: Evaluation
    keys: dict[Key, None] = field(default_factory=dict[Key, None])
    lost: int = 0


@dataclass
class _Line:
    """The queue of a namespace's evaluations. One worker at a time serves it."""

    waiting: OrderedDict[bytes, _Wanted] = field(default_factory=OrderedDict[bytes, _Wanted])
    size: int = 0
    turned_away: dict[Key, None] = field(default_factory=dict[Key, None])
    """Keys for whose evaluations there is no room."""
    is_served: bool = False


class Evaluator:
    """Runs the evaluations of all namespaces."""

    def __init__(self, come_back: Callable[[Key], None], metrics: Metrics) -> None:
        self.answers = KeptAnswers()
        self._come_back = come_back
        self._metrics = metrics
        self._lines: dict[str, _Line] = {}
        self._turns: deque[str] = deque()
        """Namespaces whose turn it is, in order."""
        self._some_wait = asyncio.Event()
        self._left: dict[Key, int] = {}
        """Number of answers that a key still waits for."""

    def request(self, key: Key, evaluations: Sequence[Evaluation]) -> None:
        """Queue evaluations; the key comes back when they are answered."""
        line = self._lines.setdefault(key.namespace, _Line())
        for evaluation in evaluations[:MAX_AT_ONCE]:
            wanted = line.waiting.get(evaluation.key)
            if wanted is None:
                if line.size and line.size + evaluation.size > MAX_WAITING_BYTES:
                    self._turn_away(key, line)
                    break
                wanted = line.waiting[evaluation.key] = _Wanted(evaluation)
                line.size += evaluation.size
            if key not in wanted.keys:
                wanted.keys[key] = None
                self._left[key] = self._left.get(key, 0) + 1
        self._give_turn(key.namespace, line)

    async def run(self) -> None:
        """Evaluate requests until cancelled."""
        while True:
            server = await EvaluationServer.start(WORKERS)
            try:
                async with asyncio.TaskGroup() as group:
                    for worker in server.workers:
                        group.create_task(self._serve(worker))
            except* ServerLost as lost:
                logger.warning("restart the evaluation server: %s", lost.exceptions[0])
            finally:
                await server.stop()
            await asyncio.sleep(RESTART_SECONDS)

    async def _serve(self, worker: EvaluationWorker) -> None:
        while True:
            namespace, line, batch = await self._next_batch()
            try:
                await self._evaluate(worker, line, batch)
            finally:
                line.is_served = False
                self._give_turn(namespace, line)

    async def _next_batch(self) -> tuple[str, _Line, list[_Wanted]]:
        """Wait for a namespace's turn; return its next evaluations that share their values."""
        while not self._turns:
            self._some_wait.clear()
            await self._some_wait.wait()
        namespace = self._turns.popleft()
        line = self._lines[namespace]
        line.is_served = True
        first = next(iter(line.waiting.values())).evaluation
        batch = [
            wanted
            for wanted in islice(line.waiting.values(), MAX_BATCH)
            if (wanted.evaluation.check, wanted.evaluation.values) == (first.check, first.values)
        ]
        return namespace, line, batch

    async def _evaluate(self, worker: EvaluationWorker, line: _Line, batch: list[_Wanted]) -> None:
        with self._metrics.evaluation_seconds.time():
            try:
                answers = await worker.evaluate([wanted.evaluation for wanted in batch])
            except ServerLost:
                batch[0].lost += 1
                if batch[0].lost >= MAX_LOST:
                    self._conclude(line, batch[0], NO_REPLY)
                raise
        for wanted, answer in zip(batch, answers, strict=False):
            self._conclude(line, wanted, answer)

    def _conclude(self, line: _Line, wanted: _Wanted, answer: Answer) -> None:
        evaluation = wanted.evaluation
        result = "stopped" if answer.too_expensive else "answered"
        self._metrics.evaluations.labels(result).inc()
        self.answers.keep(evaluation, answer)
        del line.waiting[evaluation.key]
        line.size -= evaluation.size
        for key in wanted.keys:
            self._left[key] -= 1
            if not self._left[key]:
                del self._left[key]
                self._come_back(key)

    def _turn_away(self, key: Key, line: _Line) -> None:
        if not line.turned_away:
            asyncio.get_running_loop().call_later(AGAIN_SECONDS, self._let_in, line)
        line.turned_away[key] = None

    def _let_in(self, line: _Line) -> None:
        """Let some keys come back that were turned away, if there is room now."""
        if line.size <= MAX_WAITING_BYTES / 2:
            for key in list(islice(line.turned_away, AGAIN_AT_ONCE)):
                del line.turned_away[key]
                self._come_back(key)
        if line.turned_away:
            asyncio.get_running_loop().call_later(AGAIN_SECONDS, self._let_in, line)

    def _give_turn(self, namespace: str, line: _Line) -> None:
        if line.waiting and not line.is_served and namespace not in self._turns:
            self._turns.append(namespace)
            self._some_wait.set()
        elif not line.waiting and not line.is_served:
            self._lines.pop(namespace, None)
