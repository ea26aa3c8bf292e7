"""Journal, lock and holds lie on the first host; another order would begin a second history."""

from towline.errors import UsageError
from towline.rollout.site import Fleet, Site


def refuse(fleet: Fleet) -> None:
    """Refuse to work where the first host has no journal, and another one has it.

    Raises:
        UsageError: When somebody changed the order of the hosts.
    """
    lead = fleet.lead
    # The others are only asked before the first deploy.
    if _has_journal(lead):
        return
    have = fleet.each(_has_journal)
    if not any(have):
        return
    old = fleet.sites[have.index(True)].host.name
    raise UsageError(
        f"journal, lock and holds of {lead.name} lie on {old}, but {lead.host.name} is named first",
        remedy=f"name {old} first in environments.{lead.name}.hosts; or bring journal.jsonl, fence "
        f"and hold.json of {lead.state.root} from {old} to {lead.host.name}",
    )


def _has_journal(site: Site) -> bool:
    return site.host.files.exists(site.state.journal)
