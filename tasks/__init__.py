"""The Invoke task collection: `from towline.tasks import ns` is all a tasks.py needs.

Nothing heavy is imported here: a task loads what it uses when it runs.
"""

from invoke import Collection

from . import (
    build,
    canary,
    certificate,
    check,
    command,
    deploy,
    down,
    guard,
    health,
    history,
    hold,
    hosts,
    init,
    lab,
    listing,
    logs,
    migrate,
    promote,
    provision,
    rollback,
    smoke,
    status,
    version,
)

ns = Collection(
    init.ns,
    version.ns,
    promote.ns,
    check.pre_deploy_check,
    build.build,
    migrate.migrate,
    deploy.ns,
    health.health_check,
    smoke.smoke,
    rollback.rollback,
    status.status,
    canary.canary,
    history.ns,
    logs.logs,
    certificate.ns,
    hold.ns,
    hold.unlock,
    hosts.ns,
    guard.ns,
    down.down,
    provision.ns,
    lab.ns,
)
# No default of the root: a bare `inv` must not promote.
ns.add_task(promote.promote_to_deploy, name="promote-to-deploy", default=False)
ns.add_task(listing.help_)
command.adopt(ns)
