"""The nginx lines that send the requests of one service to its slots."""

from dataclasses import replace

from towline.routing.policy import ANYBODY, Policy
from towline.routing.routes import Backend

NOWHERE = "127.0.0.1:9"


def variable(service: str) -> str:
    """The nginx variable that holds the address of a service."""
    return "$towline_" + service.replace("-", "_")


def render_backend(service: str, backend: Backend, policy: Policy = ANYBODY) -> list[str]:
    """The lines that give a service's variable its value.

    Containers that are named one by one are chosen by another key than the slot: by the same one,
    a slot's share would always meet the same of its containers.
    """
    before: list[str] = []
    targets: dict[str, str] = {}
    for slot, share in sorted(backend.shares.items()):
        if not share and slot != policy.preview_slot:
            continue
        names = backend.only.get(slot, ())
        if len(names) > 1:
            targets[slot] = _own(f"of_{slot}", service)
            addresses = [f"{name}:{backend.port_of(slot)}" for name in names]
            before += [*_split(f"$request_id.{slot}", targets[slot], _evenly(addresses)), ""]
        else:
            host = names[0] if names else f"{service}-{slot}"
            targets[slot] = f"{host}:{backend.port_of(slot)}"
    if len(targets) < 2:
        address = next(iter(targets.values()), NOWHERE)
        return [*before, *_map('""', variable(service), address)]
    shares = [(f"{backend.shares[slot]}%", slot) for slot in targets if backend.shares[slot]]
    previews = policy.previews and policy.preview_slot in targets
    if not before and not previews:
        return _split(policy.key, variable(service), [(part, targets[s]) for part, s in shares])
    # `split_clients` has no variables in its values, and `map` has.
    chosen = _own("slot_of", service)
    lines = [*before, *_slots(service, chosen, shares, policy if previews else replace(policy,
             preview_slot=""))]  # fmt: skip
    return [*lines, "", *_map(chosen, variable(service), NOWHERE, targets)]


def _slots(service: str, chosen: str, shares: list[tuple[str, str]], policy: Policy) -> list[str]:
    """The lines that choose a slot: by its share, or because a request asks for it."""
    if not policy.previews:
        return _split(policy.key, chosen, shares)
    asked = {policy.preview_slot: policy.preview_slot}
    if len(shares) < 2:
        return _map(policy.preview, chosen, shares[0][1], asked)
    shared = _own("share_of", service)
    return [
        *_split(policy.key, shared, shares),
        "",
        *_map(policy.preview, chosen, shared, asked),
    ]


def _own(what: str, service: str) -> str:
    """A variable that no service's own can be: theirs begin with `towline_`."""
    return f"${what}_{variable(service)[1:]}"


def _evenly(addresses: list[str]) -> list[tuple[str, str]]:
    """Addresses with equal percentages; nginx knows hundredths, and the last one gets the rest."""
    share = int(10000 / len(addresses)) / 100
    return [(f"{share:g}%", address) for address in addresses]


def _split(key: str, name: str, parts: list[tuple[str, str]]) -> list[str]:
    """Requests by the hash of a key; the last part gets what the others leave."""
    lines = [f'split_clients "{key}" {name} {{']
    lines += [f"    {share} {value};" for share, value in parts[:-1]]
    return [*lines, f"    * {parts[-1][1]};", "}"]


def _map(key: str, name: str, default: str, values: dict[str, str] | None = None) -> list[str]:
    lines = [f"map {key} {name} {{", f"    default {default};"]
    return [*lines, *(f"    {word} {value};" for word, value in (values or {}).items()), "}"]
