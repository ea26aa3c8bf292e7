"""The section `analysis`: what a release is judged by while it has traffic."""

from pydantic import Field

from towline.config.model import Model


class Analysis(Model):
    """What a release is judged by while it has traffic."""

    request_log: bool = Field(
        False,
        description="Whether the router logs each request that it sends to an app service, in "
        "16 MB of its memory.",
    )

    @property
    def keeps_request_log(self) -> bool:
        """Whether the router is to log requests."""
        return self.request_log
