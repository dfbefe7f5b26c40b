"""The pod's side of durable tasks."""
