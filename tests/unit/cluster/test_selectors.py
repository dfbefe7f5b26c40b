"""Label and field selectors of the local cluster."""

import pytest
from podhatch.cluster.selectors import matches

POD = {
    "metadata": {"name": "p", "labels": {"app": "shop", "tier": "a"}},
    "spec": {"key": "a,b"},
}


@pytest.mark.parametrize(
    ("labels", "fields", "found"),
    [
        ("", "", True),
        ("app=shop,tier!=b", "metadata.name=p", True),
        ("app==shop,other!=x", "", True),
        ("app", "", True),
        ("!app", "", False),
        ("!other", "", True),
        ("tier in (a, b),app notin (x)", "", True),
        ("tier notin (a)", "", False),
        ("app=other", "", False),
        ("", r"spec.key=a\,b", True),
        ("", "spec.key!=a", True),
        ("", "status.phase=Pending", False),
        ("", "status.phase!=Pending", True),
    ],
)
def test_a_selector_matches_labels_and_fields(labels: str, fields: str, found: bool) -> None:
    assert matches(POD, labels, fields) is found


@pytest.mark.parametrize("value", ["a in (b)", " a ", "a,b)", "=", "!=a", "a\\", "\n", "(,"])
def test_a_field_may_have_any_value(value: str) -> None:
    stored = {"metadata": {"name": "p"}, "spec": {"key": value}}
    escaped = value.replace("\\", "\\\\").replace(",", "\\,").replace("=", "\\=")
    assert matches(stored, "", f"spec.key={escaped},metadata.name=p")
    assert not matches(stored, "", f"metadata.name=p,spec.key!={escaped}")
