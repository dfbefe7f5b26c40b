"""Kinds, errors, and the lines of a watch."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from podhatch.cluster import JOB, POD, WORKFLOW, ApiError, Kind, NamespaceTerminating, kind_of
from podhatch.cluster.watch import lines


@pytest.mark.parametrize(
    ("kind", "place", "path"),
    [
        (POD, (None,), "/api/v1/pods"),
        (POD, ("team", "pod"), "/api/v1/namespaces/team/pods/pod"),
        (POD, ("a/b", "x?y"), "/api/v1/namespaces/a%2Fb/pods/x%3Fy"),
        (JOB, ("team",), "/apis/batch/v1/namespaces/team/jobs"),
        (
            WORKFLOW,
            ("team", "flow", "status"),
            "/apis/podhatch.dev/v1alpha1/namespaces/team/workflows/flow/status",
        ),
    ],
)
def test_paths(kind: Kind, place: tuple[str | None, ...], path: str) -> None:
    namespace, *names = place
    assert kind.path(namespace, *[name or "" for name in names]) == path


def test_a_manifest_tells_its_kind() -> None:
    assert kind_of({"apiVersion": "batch/v1", "kind": "Job"}) is JOB


@pytest.mark.parametrize("manifest", [{}, {"apiVersion": "v1", "kind": "Job"}])
def test_an_unknown_kind_is_named(manifest: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=str(manifest.get("kind", "''"))):
        kind_of(manifest)


@pytest.mark.parametrize(
    ("code", "body", "text"),
    [
        (404, b'{"kind":"Status","reason":"NotFound","message":"no"}', "no (404 NotFound)"),
        (500, b'{"kind":"Status"}', "InternalServerError (500 InternalServerError)"),
        (502, b"<html>bad</html>\n", "<html>bad</html> (502 BadGateway)"),
        (502, b"[]", "[] (502 BadGateway)"),
        (999, b"", "Unknown (999 Unknown)"),
        (503, b"\xff", "\ufffd (503 ServiceUnavailable)"),
    ],
)
def test_errors_are_readable(code: int, body: bytes, text: str) -> None:
    error = ApiError.from_response(code, body)
    assert str(error) == text
    assert error.status == code


def test_a_refusal_by_a_terminating_namespace_is_recognised() -> None:
    cause = {
        "reason": "NamespaceTerminating",
        "message": "namespace a is being terminated",
        "field": "metadata.namespace",
    }
    status = {"code": 403, "reason": "Forbidden", "message": "forbidden: it is being terminated"}
    error = ApiError.from_status(403, {**status, "details": {"causes": [cause]}})
    assert isinstance(error, NamespaceTerminating)
    assert (error.status, error.reason) == (403, "Forbidden")
    for details in (None, {}, {"causes": None}, {"causes": [{"reason": "FieldValueInvalid"}]}):
        other = ApiError.from_status(403, {**status, "details": details})
        assert not isinstance(other, NamespaceTerminating)


@given(st.lists(st.binary().filter(lambda line: b"\n" not in line)), st.data())
def test_lines_do_not_depend_on_chunks(expected: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(line + b"\n" for line in expected) + b"not ended"
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)))))
    chunks = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]

    async def read() -> list[bytes]:
        async def arriving() -> AsyncIterator[bytes]:
            for chunk in chunks:
                yield chunk

        return [line async for line in lines(arriving())]

    assert asyncio.run(read()) == expected
