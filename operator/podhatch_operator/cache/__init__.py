"""The cluster's objects in memory: trimmed, indexed, and never replaced by an older version."""
