"""kopf's settings, and the handlers that it calls."""

import kopf
import pytest
from podhatch.cluster import WORKFLOW_RUN
from podhatch_operator.controllers.reconciler import WATCH_LIST
from podhatch_operator.controllers.run import RunController
from podhatch_operator.watch.handlers import taking_in
from podhatch_operator.watch.kopf_settings import EndlessBackoffs, kopf_settings

from tests.unit.operator.objects import NAMESPACE, run
from tests.unit.operator.operator import RUN, Operator


def test_kopf_watches_only_objects_with_our_labels() -> None:
    settings = kopf_settings(WATCH_LIST.selectors)
    selectors = {str(key): value for key, value in settings.watching.label_selectors.items()}
    assert set(selectors.values()) == {"app.kubernetes.io/managed-by=podhatch"}
    assert len(selectors) == 4
    assert settings.scanning.disabled
    assert not settings.posting.enabled


def test_backoffs_never_end_and_restart_for_each_iteration() -> None:
    backoffs = EndlessBackoffs()
    for _ in range(2):
        first, *rest = [delay for delay, _ in zip(backoffs, range(50), strict=False)]
        assert first <= 0.25
        assert 7.5 <= rest[-1] <= 15.0


async def test_an_event_reaches_the_cache_and_the_queue() -> None:
    operator = Operator()
    handler = taking_in(WORKFLOW_RUN, operator.intake, operator.metrics)
    await handler(event={"type": None, "object": run(1)}, logger=None)
    assert await operator.queue.get() == RUN
    operator.queue.done(RUN)
    await handler(event={"type": "MODIFIED", "object": run(1)})
    assert len(operator.queue) == 0
    await handler(event={"type": "DELETED", "object": run(2)})
    assert RUN in {await operator.queue.get() for _ in range(len(operator.queue))}
    assert RunController.observe(operator.cache, NAMESPACE, "run") is None


async def test_a_handler_cannot_raise(caplog: pytest.LogCaptureFixture) -> None:
    operator = Operator()
    handler = taking_in(WORKFLOW_RUN, operator.intake, operator.metrics)
    await handler(event={"type": "ADDED", "object": {"metadata": {}}})
    assert "could not be taken in" in caplog.text


def test_kopf_stores_nothing_of_the_objects() -> None:
    settings = kopf_settings(WATCH_LIST.selectors)
    storage = settings.persistence.diffbase_storage
    assert storage.build(body=kopf.Body({"spec": {"a": 1}})) == {}
