"""The work queue of object keys, and the workers that take keys from it."""
