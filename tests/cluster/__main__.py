"""The command line: `python -m tests.cluster up|down|status|...`, from the root of the clone."""

import argparse
import sys
import time

from tests.cluster import images, local, packages, processes
from tests.cluster.paths import KUBECONFIG, REPOSITORY
from tests.cluster.progress import ClusterError, say


def main() -> int:
    """Run one command; a failure is one sentence."""
    arguments = _parser().parse_args()
    begin = time.monotonic()
    try:
        arguments.run(arguments)
    except ClusterError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    say(f"{arguments.command}: done in {time.monotonic() - begin:.1f} s")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.cluster")
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser("up", help="bring the cluster up and install podhatch")
    up.add_argument("--controller-manager", choices=["stock", "tuned"], dest="profile")
    up.add_argument("--no-install", action="store_true", help="the cluster alone")
    up.set_defaults(run=_up)
    commands.add_parser("down", help="stop everything").set_defaults(run=_down)
    commands.add_parser("images", help="build and load images").set_defaults(run=_images)
    for name, action in (("start", _start), ("stop", _stop)):
        single = commands.add_parser(name, help=f"{name} one program, to test a fault")
        single.add_argument("component")
        single.set_defaults(run=action)
    return parser


def _up(arguments: argparse.Namespace) -> None:
    packages.require_root()
    local.up(arguments.profile)
    say(f"  KUBECONFIG={KUBECONFIG}")


def _down(_: argparse.Namespace) -> None:
    packages.require_root()
    local.down()


def _images(_: argparse.Namespace) -> None:
    packages.require_root()
    built = [images.pause(), images.python(), *images.project()]
    images.ensure_built(built)
    if local.owner() == REPOSITORY:
        images.load(built)


def _start(arguments: argparse.Namespace) -> None:
    processes.start(local.component(arguments.component))


def _stop(arguments: argparse.Namespace) -> None:
    processes.stop([local.component(arguments.component).name])


if __name__ == "__main__":
    sys.exit(main())
