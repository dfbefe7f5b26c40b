"""The caller's side of the cluster: one module per kind of object, with its client of `Hatchet`."""
