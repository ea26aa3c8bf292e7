"""The background worker: `python -m newsroom.worker`."""

import logging
import signal
import time
from types import FrameType

from newsroom.cache import HEARTBEAT, Cache
from newsroom.service import Service, build
from newsroom.settings import Settings

log = logging.getLogger("newsroom.worker")
_WAIT = 0.5
_AGE = 10


class Worker:
    """Takes jobs one by one until it is told to stop."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._going = True

    def stop(self, _number: int = 0, _frame: FrameType | None = None) -> None:
        """Finish the job at hand and end."""
        self._going = False

    def run(self) -> None:
        """Work until stopped; a lost Redis is waited for."""
        log.info("worker %s is ready", self._service.version)
        while self._going:
            try:
                self.once(self._service.cache)
            except Exception as error:
                log.warning("waiting for the queue: %s", type(error).__name__)
                time.sleep(_WAIT)
        log.info("worker %s stopped", self._service.version)

    def once(self, cache: Cache) -> bool:
        """Take one job, if there is one; returns whether there was."""
        cache.put(HEARTBEAT, {"version": self._service.version, "at": time.time()}, _AGE)
        job = cache.pop(_WAIT)
        if job is None:
            return False
        cache.count("newsroom:worked")
        return True


def main() -> None:
    """Run a worker until SIGTERM."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s %(message)s")
    worker = Worker(build(Settings.from_environment()))
    signal.signal(signal.SIGTERM, worker.stop)
    signal.signal(signal.SIGINT, worker.stop)
    worker.run()


if __name__ == "__main__":
    main()
