"""`inv status`."""

from typing import Any

from invoke import Context, task

from . import cli, terminal
from .rollback import release_row

# The service is part of the name, and the state of the status.
_COLUMNS = ("name", "role", "slot", "release", "status")


@task(auto_shortflags=False, help={"env": cli.ENV_HELP, "json": cli.JSON_HELP})
def status(c: Context, env: str = "local", json: bool = False) -> None:
    """Say whether users are served, asked on each host; exit 1 when not, or hosts differ."""
    with cli.outcome():
        from towline.insight.status import fleet_status, require_served

        found = fleet_status(cli.open_fleet(env, only_look=True))
        data = found.data()
        if json:
            terminal.say_json("status", data)
        else:
            _show(data)
        require_served(found)


def _show(data: dict[str, Any]) -> None:
    terminal.say(f"{data['project']} in {data['environment']}: {_headline(data)}")
    if data["live"]:
        _show_live(data)
    _show_unfinished(data)
    _show_guard(data["guard"])
    if data["journal"]:
        terminal.say(f"  {terminal.paint('journal ', 'red')}  {data['journal']}")
        terminal.say(f"  next      `inv history.repair --env {data['environment']}`")
    for problem in data["problems"]:
        terminal.say(f"  {terminal.paint('problem ', 'red')}  {problem}")
    if len(data["versions"]) > 1:
        terminal.say(f"  next      `inv deploy --env {data['environment']}` brings them to one")
    containers = [{name: row[name] for name in _COLUMNS} for row in data["containers"]]
    counts = ("running", "wanted")
    hosts = [
        {name: cell for name, cell in row.items() if name not in counts} for row in data["hosts"]
    ]
    retained = [release_row(row) for row in data["kept"]]
    tables = {"hosts": hosts, "containers": containers, "retained releases": retained}
    for title, rows in tables.items():
        if rows:
            terminal.say(f"\n{title}")
            terminal.table(list(rows[0]), [[str(cell) for cell in row.values()] for row in rows])


def _show_unfinished(data: dict[str, Any]) -> None:
    """What was begun, is held, or was left to a person."""
    if data["manual"]:
        terminal.say(f"  {terminal.paint('failed  ', 'red')}  {data['manual']}")
    if data["interrupted"]:
        terminal.say(f"  {terminal.paint('state   ', 'red')}  interrupted: {data['interrupted']}")
    if data["paused"]:
        _show_pause(data["paused"], data["environment"])
    for word in ("hold", "lock"):
        if data[word]:
            terminal.say(f"  {terminal.paint(f'{word:<8}', 'yellow')}  {data[word]}")
    if data["interrupted"]:
        terminal.say(
            f"  next      `inv deploy.resume --env {data['environment']}` goes on, "
            f"`inv deploy.abort --env {data['environment']}` rolls back"
        )


def _show_pause(paused: dict[str, Any], environment: str) -> None:
    """Where a deploy waits, since when, who paused it, and what to type."""
    from towline.state.actor import read

    since = paused["at"][:19].replace("T", " ")
    why = f": {paused['reason']}" if paused["reason"] else ""
    terminal.say(
        f"  {terminal.paint('state   ', 'yellow')}  {paused['release']} ({paused['strategy']}) is "
        f"paused at {paused['share']} % of traffic, after step {paused['step']}"
    )
    terminal.say(f"            since {since} UTC, by {read(paused['actor'])}{why}")
    if paused["verdict"]:
        terminal.say(f"  verdict   {paused['verdict']}")
    terminal.say(
        f"  next      `inv deploy.promote --env {environment}` goes on, "
        f"`inv deploy.abort --env {environment}` rolls it back to {paused['before']}"
    )


def _show_guard(data: dict[str, Any]) -> None:
    """Who watches, and what fired last."""
    from towline.state.actor import read

    if watching := data["watching"]:
        since = watching["since"][:16].replace("T", " ")
        terminal.say(f"  guard     watching since {since} UTC ({read(watching['actor'])})")
    if data["fired"]:
        terminal.say(f"  {terminal.paint('fired   ', 'yellow')}  {data['fired']}")


def _headline(data: dict[str, Any]) -> str:
    if data["unmanaged"]:
        return f"{data['unmanaged']} serves, deployed with another state folder (TOWLINE_STATE)"
    return terminal.paint(data["live"], "green") if data["live"] else "nothing is live"


def _show_live(data: dict[str, Any]) -> None:
    since = data["since"]
    terminal.say(f"  release   {data['release']}  (commit {(data['commit'] or 'unknown')[:12]})")
    if since:
        terminal.say(f"  since     {since['at'][:19].replace('T', ' ')} UTC, for {since['for']}")
        _show_actor(since["actor"])
    terminal.say(f"  slot      {data['slot']}")
    for service, shares in data["traffic"].items():
        split = ", ".join(
            f"{slot} {share} % ({_running(data, service, slot)})"
            for slot, share in shares.items()
            if share
        )
        terminal.say(f"  traffic   {service}: {split or 'nowhere'}")
    if data["url"]:
        terminal.say(f"  address   {data['url']}")


def _show_actor(data: dict[str, str]) -> None:
    """Who let the live release serve, and where to look at the run that did."""
    from towline.state.actor import read

    if data:
        terminal.say(f"  by        {read(data)}")
    if data.get("url"):
        terminal.say(f"            {data['url']}")


def _running(data: dict[str, Any], service: str, slot: str) -> str:
    """How many containers of a service run in a slot."""
    found = [row for row in data["containers"] if (row["service"], row["slot"]) == (service, slot)]
    running = sum(row["state"] == "running" for row in found)
    return f"{running} of {len(found)} running"
