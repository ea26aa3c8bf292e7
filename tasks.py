from towline.tasks import ns  # noqa: D100, F401
