"""What the script's tasks import by the package's name."""

PRICE = 3
