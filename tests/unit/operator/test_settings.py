"""Settings from the environment."""

import pytest
from podhatch_operator.settings import BadSetting, Settings


def test_a_setting_has_a_default() -> None:
    settings = Settings.read({})
    assert settings.namespaces == ()
    assert (settings.workers, settings.log_level) == (32, "INFO")
    assert (settings.port, settings.metrics_port) == (8080, 8081)


def test_settings_come_from_the_environment() -> None:
    settings = Settings.read(
        {
            "PODHATCH_RUNNER_IMAGE": "mine:1",
            "PODHATCH_WATCH_NAMESPACES": "a, b,",
            "PODHATCH_WORKERS": "4",
            "PODHATCH_LOG_LEVEL": "debug",
            "PODHATCH_RUN_TTL_SECONDS": "60",
            "PODHATCH_JOB_TTL_SECONDS": "",
            "PODHATCH_PRIORITY_CLASSES": "true",
            "PODHATCH_MAX_CLUSTER_ACCESS": "report",
        }
    )
    assert settings.defaults.priority_classes
    assert settings.defaults.max_cluster_access == "report"
    assert settings.defaults.runner_image == "mine:1"
    assert settings.namespaces == ("a", "b")
    assert settings.workers == 4
    assert settings.log_level == "DEBUG"
    assert (settings.defaults.run_ttl_seconds, settings.defaults.job_ttl_seconds) == (60, None)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PODHATCH_WORKERS", "many"),
        ("PODHATCH_WORKERS", "0"),
        ("PODHATCH_PORT", ""),
        ("PODHATCH_LOG_LEVEL", "loud"),
        ("PODHATCH_RUN_TTL_SECONDS", "a week"),
        ("PODHATCH_JOB_TTL_SECONDS", "-1"),
        ("PODHATCH_PRIORITY_CLASSES", "maybe"),
        ("PODHATCH_MAX_CLUSTER_ACCESS", "all"),
    ],
)
def test_the_error_names_an_invalid_setting(name: str, value: str) -> None:
    with pytest.raises(BadSetting, match=name):
        Settings.read({name: value})
