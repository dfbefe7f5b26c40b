"""Everything the operator writes: children, statuses, Kubernetes Events."""
