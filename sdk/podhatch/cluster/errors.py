"""Errors that every verb of a cluster may raise."""

import json
from http import HTTPStatus
from typing import Any, cast

from podhatch.api.model import JsonObject
from podhatch.errors import ClusterUnreachable

__all__ = ["ApiError", "ClusterUnreachable", "NamespaceTerminating"]


class ApiError(Exception):
    """The API server answered, and refused.

    `status` is the HTTP status, `reason` one word such as NotFound, `message` is for people.
    """

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(status, reason, message)
        self.status = status
        self.reason = reason
        self.message = message

    def __str__(self) -> str:
        return f"{self.message} ({self.status} {self.reason})"

    def is_missing(self, name: str) -> bool:
        """Whether there is no object of this name, while its kind and its namespace are known."""
        return self.status == 404 and f'"{name}"' in self.message

    @classmethod
    def from_status(cls, code: int, status: JsonObject) -> "ApiError":
        """Make the error from a `Status` object; `code` counts where the object has none."""
        code = int(status.get("code") or code)
        reason = str(status.get("reason") or "") or _phrase(code)
        error = NamespaceTerminating if _is_terminating(status) else cls
        return error(code, reason, str(status.get("message") or "") or _phrase(code))

    @classmethod
    def from_response(cls, code: int, body: bytes) -> "ApiError":
        """Make the error from an HTTP response, which holds a `Status` unless a proxy wrote it."""
        try:
            status: Any = json.loads(body)
        except ValueError:
            status = None
        if isinstance(status, dict):
            return cls.from_status(code, cast("JsonObject", status))
        return cls(
            code, _phrase(code), body.decode(errors="replace").strip()[:500] or _phrase(code)
        )


class NamespaceTerminating(ApiError):  # noqa: N818 - the word of the API server for it
    """Nothing can be created in a namespace that is being deleted. Trying again does not help."""


def _is_terminating(status: JsonObject) -> bool:
    details = cast("JsonObject", status.get("details") or {})
    causes = cast("list[JsonObject]", details.get("causes") or [])
    return any(cause.get("reason") == "NamespaceTerminating" for cause in causes)


def _phrase(code: int) -> str:
    try:
        return "".join(word.capitalize() for word in HTTPStatus(code).phrase.split())
    except ValueError:
        return "Unknown"
