"""What is known of every task without its module: written by `scripts/task-index`."""

from .deferred import Row

# ruff: noqa: E501
# fmt: off
TASKS = (
    Row('pre-deploy-check', 'check', 'pre_deploy_check', 'pre-deploy-check', ('check',), False, 'Check all that a deploy needs: files, secrets, certificates, disk, ports, engine.'),
    Row('build', 'build', 'build', 'build', (), False, 'Build the images of the promoted release, tagged with version and commit.'),
    Row('migrate', 'migrate', 'migrate', 'migrate', (), False, "Run the migration job in the promoted release's image, without moving traffic."),
    Row('health-check', 'health', 'health_check', 'health-check', ('health',), False, 'Ask every service whether it is healthy.'),
    Row('smoke', 'smoke', 'smoke', 'smoke', (), False, 'Run the smoke tests against what users reach.'),
    Row('rollback', 'rollback', 'rollback', 'rollback', (), False, 'Go back to a kept release: start it, prove it is healthy, switch.'),
    Row('status', 'status', 'status', 'status', (), False, 'Say whether users are served, asked on each host; exit 1 when not, or hosts differ.'),
    Row('logs', 'logs', 'logs', 'logs', (), False, 'Print the last log lines of a service, secrets masked.'),
    Row('unlock', 'hold', 'unlock', 'unlock', (), False, 'Force-unlock an environment, after showing who holds its lock.'),
    Row('down', 'down', 'down', 'down', (), False, 'Stop an environment and remove its containers; releases and data are retained.'),
    Row('promote-to-deploy', 'promote', 'promote_to_deploy', 'run', (), True, 'Make the source tree a release in the deploy tree: test, copy, stamp, record, commit.'),
    Row('help', 'listing', 'help_', 'help', (), True, 'List the tasks, and change nothing.'),
    Row('init.scaffold', 'init', 'scaffold', 'scaffold', (), True, 'Write towline.yaml, tasks.py and a deploy tree for this project; keeps what exists.'),
    Row('init.secrets', 'init', 'secrets', 'secrets', (), False, "Fill an environment's file from the example, with random secrets; keeps what is set."),
    Row('init.certificate', 'init', 'certificate', 'certificate', (), False, 'Make a self-signed certificate for trying things out.'),
    Row('version.show', 'version', 'show', 'show', (), True, 'Show the version that is released, what came since, and what comes next.'),
    Row('version.next', 'version', 'next_', 'next', (), False, 'Show which version comes next, and the commits that decide.'),
    Row('version.bump', 'version', 'bump', 'bump', (), False, 'Write the next version into the version files; commit and tag nothing.'),
    Row('version.set', 'version', 'set_', 'set', (), False, 'Write a version into the version files; commit and tag nothing.'),
    Row('version.prepare-release', 'version', 'prepare_release', 'prepare_release', (), False, 'Release the project: version files, changelog, commit and annotated tag.'),
    Row('version.changelog', 'version', 'changelog', 'changelog', (), False, 'Bring the changelog up to date with the tags; hand-written text stays.'),
    Row('promote.run', 'promote', 'run', 'run', (), True, 'Make the source tree a release in the deploy tree: test, copy, stamp, record, commit.'),
    Row('promote.drift', 'promote', 'drift', 'drift', (), False, 'Show what was changed in the deploy tree itself since the promotion, as a diff.'),
    Row('promote.backport', 'promote', 'backport', 'backport', (), False, 'Bring what was changed in the deploy tree into the source tree, as a branch.'),
    Row('deploy.run', 'deploy', 'run', 'run', (), True, 'Bring the promoted release to an environment, without losing a request.'),
    Row('deploy.plan', 'deploy', 'plan_', 'plan', (), False, 'Show what a deploy would do: what is live, what changes, the exact commands.'),
    Row('deploy.resume', 'deploy', 'resume_', 'resume', (), False, 'Go on with a deploy or rollback that was killed.'),
    Row('deploy.abort', 'deploy', 'abort_', 'abort', (), False, 'Go back from a deploy or rollback that was killed: what served before serves alone.'),
    Row('history.show', 'history', 'show', 'show', (), True, 'Show the operations of an environment, from its journal.'),
    Row('history.repair', 'history', 'repair', 'repair', (), False, 'Put a damaged journal aside, or note what it lacks; what serves stays as it is.'),
    Row('certificate.reload', 'certificate', 'reload_', 'reload', (), False, 'Bring a renewed certificate to all hosts and reload their routers; no request is lost.'),
    Row('hold.put', 'hold', 'put', 'put', (), True, 'Hold an environment: no deploy until someone lifts it. A rollback does that by itself.'),
    Row('hold.lift', 'hold', 'lift', 'lift', (), False, 'Lift the hold of an environment.'),
    Row('hosts.lead', 'hosts', 'lead', 'lead', (), False, 'Show which host has journal, lock and hold of an environment, or move them to another.'),
    Row('provision.run', 'provision', 'run', 'run', (), True, 'Prepare hosts: engine, user, folders, log rotation. Twice changes nothing.'),
    Row('provision.check', 'provision', 'check_', 'check', (), False, 'Say what the hosts of an environment lack, all at once.'),
    Row('lab.up', 'lab', 'up', 'up', (), False, 'Start container hosts, each with sshd and a Docker engine of its own.'),
    Row('lab.status', 'lab', 'status', 'status', (), False, 'Show what the container hosts of the lab are doing.'),
    Row('lab.down', 'lab', 'down', 'down', (), False, 'Remove the container hosts of the lab, with all that they hold; nothing else.'),
)
DEFAULTS = {'': 'help', 'init': 'scaffold', 'version': 'show', 'promote': 'run', 'deploy': 'run', 'history': 'show', 'hold': 'put', 'provision': 'run'}
