"""A package whose script is started as a file."""
