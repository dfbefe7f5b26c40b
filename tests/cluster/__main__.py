"""The command line: `python -m tests.cluster up|down|status|...`, from the root of the clone."""

import argparse
import sys
import time
from contextlib import nullcontext

from tests.cluster import binaries, images, kind, kwok, local, machine, packages, podhatch
from tests.cluster.images import Image
from tests.cluster.paths import KUBECONFIG
from tests.cluster.progress import ClusterError, say


def main() -> int:
    """Run one command; a failure is one sentence."""
    arguments = _parser().parse_args()
    begin = time.monotonic()
    try:
        _refuse_without_root()
        with nullcontext() if arguments.command in ("check", "status") else machine.alone():
            arguments.run(arguments)
    except ClusterError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    if arguments.command != "check":
        say(f"{arguments.command}: {time.monotonic() - begin:.1f} s")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.cluster")
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser("up", help="bring the cluster up and install podhatch")
    up.add_argument(
        "--controller-manager",
        choices=["stock", "tuned"],
        dest="profile",
        help="limits of the controller manager and scheduler; stock in a new cluster",
    )
    up.add_argument("--no-install", action="store_true", help="the cluster alone")
    up.set_defaults(run=_up)
    fake = commands.add_parser("kwok", help="have N fake nodes beside the real one")
    fake.add_argument("--nodes", type=int, required=True, metavar="N")
    fake.set_defaults(run=_kwok)
    for name, text, action in (
        ("check", "say whether this machine can have a cluster; change nothing", _check),
        ("down", "stop everything", _down),
        ("status", "say what runs; exit 1 unless the cluster is whole", _status),
        ("images", "build podhatch's images and load them", _images),
        ("install", "bring podhatch in the cluster to this clone's state", _install),
    ):
        commands.add_parser(name, help=text).set_defaults(run=action)
    for name, action in (("start", _start), ("stop", _stop)):
        single = commands.add_parser(name, help=f"{name} one program, to test a fault")
        single.add_argument("component", help="such as kubelet or kube-controller-manager")
        single.set_defaults(run=action)
        if action is _start:
            single.add_argument("flags", nargs="*", help="more flags for it, after a --")
    return parser


def _refuse_without_root() -> None:
    """Say so before a lock or a folder is made."""
    if not kind.available():
        packages.require_root()


def _up(arguments: argparse.Namespace) -> None:
    if kind.available():
        kind.up(arguments.profile)
    else:
        local.up(arguments.profile)
        binaries.link_kubectl()
    say(f"  export KUBECONFIG={KUBECONFIG}")
    if podhatch.has_chart() and not arguments.no_install:
        podhatch.install(_load)


def _down(_: argparse.Namespace) -> None:
    if kind.available():
        kind.down()
    else:
        local.down()


def _check(_: argparse.Namespace) -> None:
    """What every command refuses, it has refused before it came here."""


def _status(_: argparse.Namespace) -> None:
    parts = {"kind": kind.is_up()} if kind.available() else local.state()
    for name, well in {**parts, "podhatch available": podhatch.available()}.items():
        say(f"  {name:<30}{'yes' if well else 'no':>5}")
    if not all(parts.values()):
        raise ClusterError("the cluster is not up, or not whole.")


def _images(_: argparse.Namespace) -> None:
    _load(images.project())


def _install(_: argparse.Namespace) -> None:
    podhatch.install(_load)


def _kwok(arguments: argparse.Namespace) -> None:
    kwok.set_nodes(arguments.nodes)


def _start(arguments: argparse.Namespace) -> None:
    local.start_component(arguments.component, *arguments.flags)


def _stop(arguments: argparse.Namespace) -> None:
    local.stop_component(arguments.component)


def _load(loaded: list[Image]) -> None:
    if kind.available():
        kind.load(loaded)
    else:
        local.load(loaded)


if __name__ == "__main__":
    sys.exit(main())
