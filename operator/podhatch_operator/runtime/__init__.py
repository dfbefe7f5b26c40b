"""What surrounds the core: the cache, the work queue, the reconciler, health and metrics."""
