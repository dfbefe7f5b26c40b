"""A program that starts a worker, as those written for Hatchet do."""

from collections.abc import AsyncGenerator

from podhatch import Context, EmptyModel, Hatchet

hatchet = Hatchet()


async def lifespan() -> AsyncGenerator[dict[str, str], None]:
    yield {"greeting": "hello from the lifespan"}


@hatchet.task()
def served(input: EmptyModel, ctx: Context) -> str:
    return str(ctx.lifespan["greeting"])


@hatchet.task()
def beside(input: EmptyModel, ctx: Context) -> str:
    return "alone"


def main() -> None:
    worker = hatchet.worker("shop", slots=5, workflows=[served], lifespan=lifespan)
    worker.start()


if __name__ == "__main__":
    main()
