"""From what a caller asks for to runs in the cluster. Called by the run methods and the CLI."""
