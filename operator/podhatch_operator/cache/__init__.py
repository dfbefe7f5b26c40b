"""What the operator knows of the cluster, in memory: trimmed, indexed, never older than seen."""
