r"""A query that psql runs in the container, by the user and the database that it was made with.

psql is there in every image of PostgreSQL, and needs no port, no driver and no password in an
argument: the container has its variables. Over TCP: while the official image initialises, its
server listens on the socket only, and restarts afterwards. Its `\timing` is what the server and
the connection took for the query, without the start of a process in a container.
"""

import re
import time

from towline.config.probes import PostgresProbe
from towline.config.redaction import excerpt
from towline.health.probes import Answer, Outcome
from towline.health.target import Target
from towline.hosts.base import Result

# Its arguments: user, database, milliseconds and the query. Nothing is put into its text.
_SCRIPT = r"""
export LC_ALL=C PGCONNECT_TIMEOUT=3 PGAPPNAME=towline-probe
[ -r "$POSTGRES_USER_FILE" ] && POSTGRES_USER=$(cat "$POSTGRES_USER_FILE")
[ -r "$POSTGRES_DB_FILE" ] && POSTGRES_DB=$(cat "$POSTGRES_DB_FILE")
[ -r "$POSTGRES_PASSWORD_FILE" ] && POSTGRES_PASSWORD=$(cat "$POSTGRES_PASSWORD_FILE")
export PGPASSWORD="${PGPASSWORD:-$POSTGRES_PASSWORD}"
user=${1:-${POSTGRES_USER:-postgres}}
exec psql -XAtqw -v ON_ERROR_STOP=1 -h "${PGHOST:-127.0.0.1}" \
  -U "$user" -d "${2:-${POSTGRES_DB:-$user}}" \
  -c "set statement_timeout = $3" -c '\timing on' -c "$4"
"""
_TOOK = re.compile(r"^Time: ([\d.]+) ms", re.M)
# psql's exit code when no connection was to be had; source: its manual, "Exit Status".
_NO_CONNECTION = 2
_SHOWN = 160
_SLOW = "if it needs longer to start, as for the first time, give the probe a `start_period`"


def ask(probe: PostgresProbe, target: Target) -> Answer:
    """See `ask_probe`."""
    # A query that is too slow is stopped, not left to go on: but late enough to be told apart.
    limit = max(1, round(min(probe.timeout, probe.max_time * 2) * 1000))
    argv = ["sh", "-c", _SCRIPT, "sh", probe.user, probe.database, str(limit), probe.query]
    started = time.monotonic()
    try:
        done = target.run(argv, probe.timeout)
    except TimeoutError as error:
        return Answer(Outcome.ERROR, f"psql: {error}", time.monotonic() - started)
    took = time.monotonic() - started
    found = _TOOK.findall(done.out)
    if not done.ok or not found:
        return _failed(done, took)
    seconds = float(found[-1]) / 1000
    query = excerpt(probe.query, _SHOWN)
    if seconds > probe.max_time:
        said = f"{query}: took {seconds * 1000:.0f} ms, limit {probe.max_time * 1000:.0f} ms"
        return Answer(Outcome.FAILURE, said, seconds)
    return Answer(Outcome.HEALTHY, f"{query}: {seconds * 1000:.1f} ms", seconds)


def _failed(done: Result, took: float) -> Answer:
    """What psql says where it could not ask."""
    first = (done.err or done.out).strip().partition("\n")[0]
    said = excerpt(first.removeprefix("psql: error: "), _SHOWN)
    if done.code == 127:
        return Answer(Outcome.ERROR, f"the image has no psql: {said}", took, "use `kind: command`")
    if done.code == _NO_CONNECTION:
        is_early = "starting up" in said
        outcome = Outcome.INCONCLUSIVE if is_early else Outcome.ERROR
        return Answer(outcome, said or "no connection", took, _SLOW)
    return Answer(Outcome.FAILURE, said or f"psql: exit code {done.code}", took)
