"""The typer app, and the decorator that makes a function one of its commands.

A command takes the target that the global options name, and its own arguments. It returns an exit
code, or None for 0. What it awaits runs in the client's event loop; what it does before, such as
loading the user's code, runs in the main thread. Errors become a message and an exit code.
"""

import inspect
import os
import sys
import threading
import traceback
from collections.abc import Awaitable, Callable
from importlib.metadata import version
from inspect import Parameter
from typing import Annotated, Any, Concatenate, ParamSpec

import typer

from podhatch.cli.errors import ExitCode, error_message, exit_code
from podhatch.cli.lookup import check_namespace
from podhatch.cli.options import Context, Kubeconfig, Namespace, NoColor, global_target
from podhatch.cli.rendering.console import print_error
from podhatch.client import background_loop
from podhatch.client.target import Target
from podhatch.cluster import ApiError
from podhatch.errors import PodhatchError

P = ParamSpec("P")
Command = Callable[Concatenate[Target, P], Awaitable[int | None] | int | None]

HELP = "Start and manage workflow runs. Also works as `kubectl podhatch`."
CLEANUP_SECONDS = 5.0
"""How long an interrupted command may take to restore the terminal."""

app = typer.Typer(
    help=HELP,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def group(name: str, summary: str) -> typer.Typer:
    """Return a new group of commands within the app."""
    commands = typer.Typer(help=summary, no_args_is_help=True)
    app.add_typer(commands, name=name)
    return commands


def own_version() -> str:
    """Return the name and version of this command."""
    return f"podhatch {version('podhatch')}"


def _print_version(wanted: bool) -> None:
    if wanted:
        print(own_version())
        raise typer.Exit


Version = Annotated[
    bool,
    typer.Option(
        "--version",
        help="Print the version of this command; `podhatch version` prints the operator's too.",
        is_eager=True,
        callback=_print_version,
    ),
]


@app.callback(help=HELP)
def before_command(
    ctx: typer.Context,
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    no_color: NoColor = False,  # noqa: ARG001 - `__main__` reads it
    version: Version = False,  # noqa: ARG001 - its callback prints
) -> None:
    """Keep the global options that stand before the command's name."""
    ctx.obj = Target(namespace, kubeconfig, context)


_GLOBAL = [
    each.replace(kind=Parameter.KEYWORD_ONLY)
    for each in inspect.signature(before_command).parameters.values()
    if each.name != "version"
]
"""The parameters that every command has too."""


def command(
    app: typer.Typer, name: str | None = None, *, namespace: object = Namespace
) -> Callable[[Command[P]], Command[P]]:
    """Return a decorator that adds a function to the app as a command.

    Args:
        app: The app, or a group of it.
        name: Name of the command; by default the function's.
        namespace: The option --namespace, for a command with another default.
    """
    shared = [
        each.replace(annotation=namespace) if each.name == "namespace" else each for each in _GLOBAL
    ]

    def decorate(work: Command[P]) -> Command[P]:
        own = list(inspect.signature(work, eval_str=True).parameters.values())[1:]

        def run(**values: Any) -> None:
            target = global_target(values["ctx"])
            for each in shared:
                del values[each.name]

            def begin() -> Awaitable[int | None] | int | None:
                check_namespace(target.namespace)
                return work(target, **values)  # type: ignore[call-arg]

            raise typer.Exit(run_to_exit(begin))

        parameters = [*(each.replace(kind=Parameter.KEYWORD_ONLY) for each in own), *shared]
        vars(run)["__signature__"] = inspect.Signature(parameters)
        run.__annotations__ = {each.name: each.annotation for each in parameters}
        run.__name__, run.__doc__ = getattr(work, "__name__", ""), work.__doc__
        app.command(name)(run)
        return work

    return decorate


def run_to_exit(work: Callable[[], Awaitable[int | None] | int | None]) -> int:
    """Run a command, print its error if it raises one, and return the exit code."""
    try:
        result = work()
        if isinstance(result, Awaitable):
            result = _wait(result)
        sys.stdout.flush()
    except (ApiError, PodhatchError) as error:
        print_error(f"error: {error_message(error)}")
        return exit_code(error)
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        _discard_output()
        return ExitCode.CLOSED
    except OSError as error:  # the output's disk is full, most likely
        print_error(f"error: {error}")
        try:
            sys.stdout.flush()
        except OSError:
            _discard_output()
        return ExitCode.ERROR
    except Exception as error:
        print_error(f"error: {_bug(error)}")
        return ExitCode.BUG
    return result or ExitCode.SUCCEEDED


def _discard_output() -> None:
    """Redirect standard output to /dev/null, so that Python's flush at exit does not fail again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _bug(error: Exception) -> str:
    """Return a message for an unexpected error, with what a bug report needs."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    what = f"{type(error).__name__}: {error}".partition("\n")[0]
    return f"this is a bug in podhatch: {what} ({os.path.basename(last.filename)}:{last.lineno})"


def _wait(work: Awaitable[int | None]) -> int | None:
    """Run the command in the client's event loop; when interrupted, wait for its cleanup."""
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
        ended.wait(CLEANUP_SECONDS)
        raise
