"""The kinds of probes, a module each: `ask(probe, target)` asks once."""
