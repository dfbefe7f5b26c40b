"""`podhatch render`: the objects of all workflows of a Hatchet as YAML, for GitOps."""

from podhatch.cli.command import command
from podhatch.cli.commands.app import app
from podhatch.cli.commands.deploy import Image, What, use_image
from podhatch.cli.console import print_yaml
from podhatch.cli.definitions import find_workflows
from podhatch.cli.place import Place
from podhatch.cli.publish import manifest


@command(app)
def render(place: Place, what: What, image: Image = None) -> None:
    """Print all workflows of a Hatchet as YAML, for `kubectl apply --server-side -f -`.

    Asks no cluster. Workflows of the same code share one ConfigMap with it.
    """
    use_image(image)
    manifests = [manifest(workflow) for workflow in find_workflows(what, place)]
    sources = {each.source["metadata"]["name"]: each.source for each in manifests if each.source}
    objects = [*sources.values(), *(each.workflow for each in manifests)]
    print_yaml(objects)
