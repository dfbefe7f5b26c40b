"""These tests need no cluster, and reach none."""

from tests.isolation import empty_home, isolated

__all__ = ["empty_home", "isolated"]
