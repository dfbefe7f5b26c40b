"""Settings of all property tests: neither time nor chance decides whether one passes."""

from hypothesis import HealthCheck, settings

settings.register_profile(
    "podhatch", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("podhatch")
