"""Records of the logger that `ClientConfig(logger=...)` names, in the task's log."""

import logging
import sys
from collections.abc import Iterator

import pytest
from podhatch.runner.pod_attempt import capture

from tests.unit.runner.conftest import Pod


@pytest.fixture
def logger() -> Iterator[logging.Logger]:
    """A logger whose records nobody else's handlers get, pytest's among them."""
    logger = logging.getLogger("shop.test")
    logger.propagate = False
    logger.setLevel(logging.INFO)
    yield logger
    logger.handlers.clear()


def test_records_come_formatted_at_the_loggers_level(logger: logging.Logger) -> None:
    lines: list[str] = []
    capture(logger, lines.append)
    logger.debug("not this")
    logger.info("charged %s", 7)
    try:
        raise ValueError("no")
    except ValueError:
        logger.exception("failed")
    assert lines[0] == "INFO shop.test: charged 7"
    assert lines[1].startswith("ERROR shop.test: failed\nTraceback (most recent call last)")
    assert lines[1].endswith("ValueError: no")
    assert len(lines) == 2


@pytest.mark.parametrize("own", [True, False])
def test_what_reaches_the_console_already_is_not_doubled(logger: logging.Logger, own: bool) -> None:
    handler = logging.StreamHandler(sys.stderr) if own else logging.NullHandler()
    logger.addHandler(handler)
    lines: list[str] = []
    capture(logger, lines.append)
    logger.info("once")
    assert lines == ([] if own else ["INFO shop.test: once"])


CODE = """
import logging
from podhatch import ClientConfig, Hatchet

logger = logging.getLogger("shop")
logger.setLevel(logging.INFO)
shop = Hatchet(config=ClientConfig(logger=logger{more})).workflow("Orders")

@shop.task()
def charge(input, ctx):
    logger.info("charged")
    logger.debug("not this")
    logging.getLogger("other").warning("as ever")
    logger.info("%d", "seven")
    return "done"
"""


def test_a_pod_shows_captured_records(task_pod: Pod) -> None:
    ended = task_pod.run(CODE.replace("{more}", ""))
    assert ended.output == "done"
    assert ended.stdout == "INFO shop: charged\n"
    assert ended.stderr.startswith("as ever\n--- Logging error ---\n")


def test_a_task_may_turn_captured_records_off(task_pod: Pod) -> None:
    ended = task_pod.run(CODE.replace("{more}", ", disable_log_capture=True"))
    assert ended.stdout == ""


@pytest.mark.usefixtures("unmeasured")
def test_logging_is_not_loaded_for_who_does_not_use_it(task_pod: Pod) -> None:
    ended = task_pod.run("import sys\ndef charge(input, ctx): return 'logging' in sys.modules")
    assert ended.output is False
