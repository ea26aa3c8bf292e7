"""What a container uses of its machine: figures that only grow, and figures of now."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Usage:
    """What a container uses.

    Attributes:
        cpu_seconds: Processor time since it was started; the difference of two readings counts.
            None where the engine has no statistics, such as without control groups.
        cores: How many cores it may use; those of the machine where it has no limit.
        memory: Bytes in use, without what the kernel only caches; None as for `cpu_seconds`.
        memory_limit: Bytes it may use; those of the machine where it has no limit.
        restarts: How often the engine started it again since it was made.
        oom_kills: How often the kernel killed a process of it for want of memory, as far as the
            engine remembers.
        read_at: When this was read, in seconds of a clock that only goes forward.
    """

    cpu_seconds: float | None
    cores: float
    memory: int | None
    memory_limit: int
    restarts: int
    oom_kills: int
    read_at: float
