"""A task that starts child runs and waits for them.

Run it with `python examples/children.py`. It prints:

    {"pages": 3, "words": 9, "asked_for_by": "ada"}
"""

import asyncio
import json

from podhatch import Context, Hatchet
from pydantic import BaseModel

hatchet = Hatchet()


class Book(BaseModel):
    pages: list[str]


class Page(BaseModel):
    text: str


@hatchet.task(name="count-page", input_validator=Page)
def count_page(input: Page, ctx: Context) -> dict[str, int | str]:
    return {
        "words": len(input.text.split()),
        "asked_for_by": ctx.additional_metadata["customer"],  # inherited from the parent run
    }


@hatchet.task(name="count-book", input_validator=Book, retries=1)
async def count_book(input: Book, ctx: Context) -> dict[str, int | str]:
    # A child is identified by its index or by a key, so a retry finds the existing children and
    # starts none twice.
    last = await count_page.aio_run(Page(text=input.pages[-1]), child_key="last page")
    others = [count_page.aio_run(Page(text=text)) for text in input.pages[:-1]]
    counts = [*await asyncio.gather(*others), last]
    if ctx.retry_count == 0:
        raise ConnectionError("just when everything was counted")
    return {
        "pages": len(counts),
        "words": sum(int(count["words"]) for count in counts),
        "asked_for_by": last["asked_for_by"],
    }


if __name__ == "__main__":
    book = Book(pages=["a cat", "the cat sat", "on the mat then"])
    print(json.dumps(count_book.run(book, additional_metadata={"customer": "ada"})))
