"""What a deployment says of its Ray cluster."""

from __future__ import annotations

from dataclasses import dataclass, field

from weft.flow.backends.settings import bad_setting, check_positive

NAME = "ray"
STRATEGIES = ("PACK", "SPREAD", "STRICT_PACK", "STRICT_SPREAD")


@dataclass(frozen=True)
class RaySettings:
    """Where the cluster is. Nothing here is part of a node's key.

    Attributes:
        address: ``host:port`` of its head; by default ``$RAY_ADDRESS``, or the cluster of this machine.
        namespace: In which attempts have their names.
        resources: Of every worker, beside CPUs, memory and GPUs: such as ``{"fast_disk": 1}``.
        placement: How the workers of one node spread over machines, in Ray's words.
        variables: Environment of the workers, plain values.
        is_fixed: Nothing adds machines to the cluster, so that what no machine can hold is refused.
        grace_s: Between asking a worker to stop and killing it.
        patience_s: Limit for one question to the cluster, the first connection included.
    """

    address: str | None = None
    namespace: str = "weft"
    resources: dict[str, float] = field(default_factory=dict)
    placement: str = "SPREAD"
    variables: dict[str, str] = field(default_factory=dict)
    is_fixed: bool = False
    grace_s: float = 10.0
    patience_s: float = 60.0

    def __post_init__(self) -> None:
        check_positive(self, NAME, "grace_s", "patience_s")
        if self.placement not in STRATEGIES:
            words = f"'{self.placement}' is no placement"
            raise bad_setting(NAME, "placement", words, f"write one of {', '.join(STRATEGIES)}")
