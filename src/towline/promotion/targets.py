"""What Prometheus is to scrape, from the services of the Compose file.

The format is that of file-based service discovery:
https://prometheus.io/docs/prometheus/latest/configuration/configuration/#file_sd_config
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import ValidationError

from towline.config.services import service_settings
from towline.config.wording import in_words
from towline.errors import UsageError


def targets(project: str, several: Iterable[Mapping[str, Any]]) -> bytes | None:
    """The targets, as JSON; None when no service has metrics.

    Args:
        project: Name of the project; it stands before each job.
        several: The services of each environment; they are scraped by one Prometheus configuration.

    Raises:
        UsageError: When an `x-towline` section is wrong, or has metrics but no port.
    """
    groups: list[dict[str, Any]] = []
    every = sorted((item for services in several for item in services.items()), key=_name)
    for name, definition in every:
        try:
            settings = service_settings(definition or {})
        except ValidationError as error:
            raise UsageError(
                f"service {name}, x-towline: {in_words(error.errors()[0])}",
                remedy="docs/configuration.md lists the keys of x-towline",
            ) from None
        if not settings.metrics:
            continue
        if settings.port is None:
            raise UsageError(
                f"service {name} has metrics but no port",
                remedy="add `port: NUMBER` to its x-towline section",
            )
        labels = {
            "job": f"{project}-{name}",
            "service": name,
            "role": str(settings.role),
            "__metrics_path__": settings.metrics,
        }
        group = {"targets": [f"{name}:{settings.port}"], "labels": labels}
        if group not in groups:
            groups.append(group)
    return (json.dumps(groups, indent=2) + "\n").encode() if groups else None


def _name(item: tuple[str, Any]) -> str:
    return item[0]
