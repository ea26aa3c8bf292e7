"""`inv help`, which is also what a bare `inv` does."""

from invoke import Context, task

from . import cli, command, terminal


@task(name="help", default=True, auto_shortflags=False)
def help_(c: Context) -> None:
    """List the tasks, and change nothing."""
    with cli.outcome():
        tasks = command.collection()
        rows = []
        for name, aliases in sorted(tasks.task_names.items()):
            # A namespace's default task is known by the name of its namespace.
            short = next((alias for alias in aliases if name.startswith(f"{alias}.")), name)
            text = (tasks[name].__doc__ or "").strip().splitlines()
            rows.append([short, text[0] if text else ""])
        terminal.table(["task", "what it does"], sorted(rows), limit=terminal.width())
        terminal.say("\n`inv --help TASK` lists the options of one")
