"""`inv smoke`."""

from invoke import Context, task

from . import cli, terminal


@task(
    auto_shortflags=False,
    help={
        "env": cli.ENV_HELP,
        "url": "Address to test. Default: the environment's url.",
        "json": cli.JSON_HELP,
    },
)
def smoke(c: Context, env: str = "local", url: str = "", json: bool = False) -> None:
    """Run the smoke tests against what users reach."""
    with cli.outcome():
        from towline.insight.smoke import report, require_passed

        results = report(cli.open_project(), env, url)
        rows = [
            {
                "result": result.answer.outcome.value,
                "test": result.name,
                "attempts": str(result.attempts),
                "answer": result.answer.detail,
            }
            for result in results
        ]
        if json:
            terminal.say_json_list("smoke", "tests", rows)
        else:
            terminal.table(list(rows[0]), [list(row.values()) for row in rows])
            for result in results:
                for line in result.output if not result.answer.healthy else ():
                    terminal.say(f"    {line}")
        require_passed(results, env)
