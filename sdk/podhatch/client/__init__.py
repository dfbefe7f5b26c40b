"""The caller's side: `Hatchet`, and what happens between `run()` and its result."""
