"""Everything the operator writes: the plans of all kinds, and Kubernetes Events."""
