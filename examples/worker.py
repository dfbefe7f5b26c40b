"""A worker as in Hatchet: it registers workflows and answers probes on port 8001.

Pods run the tasks, so stopping the worker does not stop runs. In two terminals:

    python examples/worker.py
    python examples/worker.py run

The second prints:

    {"greet": "Hello, World!"}
"""

import json
import sys

from podhatch import Context, Hatchet
from pydantic import BaseModel

hatchet = Hatchet()


class Visitor(BaseModel):
    name: str


greeting = hatchet.workflow(name="greeting-by-worker", input_validator=Visitor)


@greeting.task()
def greet(input: Visitor, ctx: Context) -> str:
    return f"Hello, {input.name}!"


if __name__ == "__main__":
    if sys.argv[1:] == ["run"]:
        print(json.dumps(greeting.run(Visitor(name="World"))))
    else:
        hatchet.worker("greeter", workflows=[greeting]).start()
