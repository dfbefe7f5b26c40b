"""Judges requests by an admission policy of the chart, as the API server does, without one."""

from dataclasses import dataclass
from typing import Any

from cel_expr_python import cel
from podhatch.api.model import JsonObject

_CONFIG = """
name: kubernetes
extensions:
- name: optional
- name: strings
"""
_NAMES = ("request", "object", "oldObject", "variables")
_ENVIRONMENT = cel.NewEnv(
    config=cel.NewEnvConfigFromYaml(_CONFIG), variables=dict.fromkeys(_NAMES, cel.Type.DYN)
)


@dataclass(frozen=True)
class Identity:
    """Who sends a request."""

    name: str
    pod: str = ""
    """That the token is bound to."""

    @property
    def user_info(self) -> JsonObject:
        extra = {"authentication.kubernetes.io/pod-name": [self.pod]} if self.pod else {}
        return {"username": self.name, **({"extra": extra} if extra else {})}


@dataclass(frozen=True)
class Policy:
    """A ValidatingAdmissionPolicy."""

    manifest: JsonObject

    def refusal(
        self,
        identity: Identity,
        new: JsonObject,
        old: JsonObject | None = None,
        *,
        status: bool = False,
    ) -> str:
        """Return why the policy refuses a request; empty when it does not."""
        data: JsonObject = {
            "request": {
                "userInfo": identity.user_info,
                "namespace": new["metadata"]["namespace"],
                **({"subResource": "status"} if status else {}),
            },
            "object": new,
            "oldObject": old,
            "variables": {},
        }
        spec: JsonObject = self.manifest["spec"]
        if not all(_value(each["expression"], data) for each in spec["matchConditions"]):
            return ""
        for each in spec["variables"]:
            data["variables"][each["name"]] = _value(each["expression"], data)
        refused = [each for each in spec["validations"] if not _value(each["expression"], data)]
        return "; ".join(
            each.get("message") or str(_value(each["messageExpression"], data)) for each in refused
        )


def _value(expression: str, data: JsonObject) -> Any:
    found = _ENVIRONMENT.compile(expression).eval(_ENVIRONMENT.Activation(data=data))
    assert found.type() != cel.Type.ERROR, f"{expression}: {found.value()}"
    return found.plain_value()
