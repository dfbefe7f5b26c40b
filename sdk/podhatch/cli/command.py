"""Makes a function a command: with the shared options, and errors as sentences.

A command is a function of the place and its own arguments, which typer sees together with the
shared options. What it does in a coroutine runs in the background loop; what it does before, such
as loading the user's code, in the main thread. It returns an exit code, or None for 0.
"""

import inspect
import os
import sys
import threading
import traceback
from collections.abc import Awaitable, Callable
from inspect import Parameter
from typing import Any, Concatenate, ParamSpec

import typer

from podhatch.cli import exits
from podhatch.cli.console import complain
from podhatch.cli.errors import exit_code, explain
from podhatch.cli.names import check_namespace
from podhatch.cli.options import Context, Kubeconfig, Namespace, NoColor
from podhatch.cli.place import Place, place_of
from podhatch.client import background_loop
from podhatch.cluster import ApiError
from podhatch.errors import PodhatchError

P = ParamSpec("P")
Command = Callable[Concatenate[Place, P], Awaitable[int | None] | int | None]

GOODBYE_SECONDS = 5.0
"""How long an interrupted command may take to restore the terminal."""

_SHARED = [
    Parameter("ctx", Parameter.KEYWORD_ONLY, annotation=typer.Context),
    Parameter("namespace", Parameter.KEYWORD_ONLY, default=None, annotation=Namespace),
    Parameter("kubeconfig", Parameter.KEYWORD_ONLY, default=None, annotation=Kubeconfig),
    Parameter("context", Parameter.KEYWORD_ONLY, default=None, annotation=Context),
    Parameter("no_color", Parameter.KEYWORD_ONLY, default=False, annotation=NoColor),
]


def command(
    app: typer.Typer, name: str | None = None, *, namespace: object = Namespace
) -> Callable[[Command[P]], Command[P]]:
    """Return a decorator that adds a function to the app, by its own name or another.

    Args:
        app: Where to.
        name: Of the command; by default the function's.
        namespace: The option --namespace, where it means something else than for most.
    """
    shared = [
        each.replace(annotation=namespace) if each.name == "namespace" else each for each in _SHARED
    ]

    def decorate(work: Command[P]) -> Command[P]:
        own = list(inspect.signature(work, eval_str=True).parameters.values())[1:]

        def run(**values: Any) -> None:
            place = place_of(values["ctx"], values)
            for each in shared:
                del values[each.name]

            def begin() -> Awaitable[int | None] | int | None:
                check_namespace(place.target.namespace)
                return work(place, **values)  # type: ignore[call-arg]

            raise typer.Exit(run_to_exit(begin))

        parameters = [*(each.replace(kind=Parameter.KEYWORD_ONLY) for each in own), *shared]
        vars(run)["__signature__"] = inspect.Signature(parameters)
        run.__annotations__ = {each.name: each.annotation for each in parameters}
        run.__name__, run.__doc__ = getattr(work, "__name__", ""), work.__doc__
        app.command(name)(run)
        return work

    return decorate


def run_to_exit(work: Callable[[], Awaitable[int | None] | int | None]) -> int:
    """Run a command to its exit code; whatever goes wrong is a sentence or two."""
    try:
        result = work()
        if isinstance(result, Awaitable):
            result = _finish(result)
        sys.stdout.flush()
    except (ApiError, PodhatchError) as error:
        complain(f"error: {explain(error)}")
        return exit_code(error)
    except KeyboardInterrupt:
        return exits.INTERRUPTED
    except BrokenPipeError:
        _discard_output()
        return exits.CLOSED
    except OSError as error:  # a full disk below the output, most likely
        complain(f"error: {error}")
        try:
            sys.stdout.flush()
        except OSError:
            _discard_output()
        return exits.REFUSED
    except Exception as error:
        complain(f"error: {_fault(error)}")
        return exits.BROKEN
    return result or exits.SUCCEEDED


def _discard_output() -> None:
    """Let what is left of the output go nowhere: Python would stumble over it again at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _fault(error: Exception) -> str:
    """Return a sentence on what nobody has foreseen, with what it takes to mend it."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    what = f"{type(error).__name__}: {error}".partition("\n")[0]
    return f"this is a fault in podhatch: {what} ({os.path.basename(last.filename)}:{last.lineno})"


def _finish(work: Awaitable[int | None]) -> int | None:
    """Run the command in the background loop; when interrupted, wait until it has cleaned up."""
    ended = threading.Event()

    async def watched() -> int | None:
        try:
            return await work
        finally:
            ended.set()

    future = background_loop.get().submit(watched())
    try:
        return future.result()
    except KeyboardInterrupt:
        future.cancel()
        ended.wait(GOODBYE_SECONDS)
        raise
