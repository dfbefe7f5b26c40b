"""The operator's own numbers, read from its /metrics through the API server's pod proxy.

Benchmarks take a snapshot before and after what they measure, and look at the difference.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from prometheus_client.parser import text_string_to_metric_families

from tests.kube import OPERATOR_NAMESPACE, kubectl, operator_pod

WRITING_VERBS = ("create", "update", "patch", "apply", "delete")


@dataclass(frozen=True)
class Snapshot:
    """Counters of the operator; the difference of two snapshots is what happened in between."""

    cpu_seconds: float = 0.0
    requests: Mapping[str, int] = field(default_factory=dict[str, int])
    """Requests to the API server by Kubernetes' verb, whatever the answer."""
    hops: Mapping[float, float] = field(default_factory=dict[float, float])
    """How many hops took at most so many seconds."""
    memory_bytes: float = 0.0
    """What it holds at that moment."""

    @classmethod
    def parse(cls, text: str) -> "Snapshot":
        """Read the text format of Prometheus."""
        cpu, memory = 0.0, 0.0
        requests, hops = Counter[str](), dict[float, float]()
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                match sample.name:
                    case "process_cpu_seconds_total":
                        cpu = sample.value
                    case "process_resident_memory_bytes":
                        memory = sample.value
                    case "podhatch_k8s_request_total":
                        requests[sample.labels["verb"]] += int(sample.value)
                    case "podhatch_hop_seconds_bucket":
                        hops[float(sample.labels["le"])] = sample.value
                    case _:
                        pass
        return cls(cpu, requests, hops, memory)

    def since(self, before: "Snapshot") -> "Snapshot":
        """Return what happened since an earlier snapshot."""
        return Snapshot(
            self.cpu_seconds - before.cpu_seconds,
            {verb: count - before.requests.get(verb, 0) for verb, count in self.requests.items()},
            {bound: count - before.hops.get(bound, 0) for bound, count in self.hops.items()},
            self.memory_bytes,
        )

    @property
    def writes(self) -> int:
        """Requests that change something."""
        return sum(self.requests.get(verb, 0) for verb in WRITING_VERBS)


def snapshot() -> Snapshot:
    """Ask the operator that leads now."""
    where = f"/api/v1/namespaces/{OPERATOR_NAMESPACE}/pods/{operator_pod()}:8081/proxy/metrics"
    return Snapshot.parse(kubectl("get", "--raw", where))


def quantile(buckets: Mapping[float, float], share: float) -> float:
    """Return the value that this share does not exceed, estimated within a bucket as by a line.

    Raises:
        ValueError: nothing was counted.
    """
    bounds: Sequence[float] = sorted(buckets)
    if not buckets[bounds[-1]]:
        raise ValueError("the operator has counted nothing")
    wanted = share * buckets[bounds[-1]]
    below, below_count = 0.0, 0.0
    for bound in bounds[:-1]:  # the last bucket has no end
        if buckets[bound] >= wanted and buckets[bound] > below_count:
            return below + (bound - below) * (wanted - below_count) / (buckets[bound] - below_count)
        below, below_count = bound, buckets[bound]
    return below
