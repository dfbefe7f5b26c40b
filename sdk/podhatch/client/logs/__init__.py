"""What the pods of runs print and stream. Called by feature clients, references and the CLI."""
