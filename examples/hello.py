# pyright: basic
"""The smallest workflow: one task, one pod.

Run it with `python examples/hello.py`. It prints:

    {"greet": "Hello, World!"}
"""

import json

from podhatch import Hatchet
from pydantic import BaseModel

hatchet = Hatchet()


class MyInput(BaseModel):
    name: str


workflow = hatchet.workflow("my-workflow", input_type=MyInput)


@workflow.task()
def greet(input, ctx):
    return f"Hello, {input.name}!"


result = workflow.run(MyInput(name="World"))
print(json.dumps(result))
