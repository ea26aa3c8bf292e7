"""Which probe a backing service would have, by the name of its image, where none is written.

A guess is only told: a deploy never fails for it, and neither does `inv health-check`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from towline.config.probes import (
    AnyProbe,
    GrafanaProbe,
    PostgresProbe,
    PrometheusProbe,
    RedisProbe,
)

_KINDS: Mapping[str, AnyProbe] = {
    r"postgres(ql)?|postgis|timescaledb?(-ha)?|pgvector": PostgresProbe(kind="postgres"),
    r"redis(-stack(-server)?)?|valkey|keydb": RedisProbe(kind="redis"),
    r"prometheus": PrometheusProbe(kind="prometheus", targets=False),
    r"grafana(-oss|-enterprise)?": GrafanaProbe(kind="grafana"),
}


def guess_probe(image: str, service: str) -> AnyProbe | None:
    """The probe that a service is likely to answer; None where its names tell nothing.

    Args:
        image: The reference of its image; one that was built or loaded here is an id without name.
        service: The name of the service, which counts where the image has none.
    """
    name = re.sub(r"[:@].*", "", image.rpartition("/")[2])
    if not name or image.startswith("sha256:") or re.fullmatch(r"[0-9a-f]{12,64}", name):
        name = service
    for pattern, probe in _KINDS.items():
        if re.fullmatch(pattern, name.lower()):
            return probe
    return None
