"""What commands print: trees, tables, logs, and JSON or YAML for programs."""
