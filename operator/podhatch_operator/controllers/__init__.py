"""One controller per kind: observe the cache, ask the core for a plan, execute it."""
