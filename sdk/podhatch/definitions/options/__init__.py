"""What may be said of workflows and tasks where they are defined, and whether it holds."""
