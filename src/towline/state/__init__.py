"""What a host remembers of an environment: releases, journal, lock and hold."""
