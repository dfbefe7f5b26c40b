"""The caller's side of the cluster: one module per kind of object, all of them coroutines."""
