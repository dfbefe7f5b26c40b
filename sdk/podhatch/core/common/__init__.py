"""What the decisions about all kinds of objects share."""
