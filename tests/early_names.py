"""`inv` with the names of Compose projects, networks and volumes that version 0.6.0 gave."""

import sys

from invoke import main

from towline.engines.compose import described, drafts, names, ownership

for module in (names, ownership, described, drafts):
    module.compose_project = names.early_project

if __name__ == "__main__":
    sys.exit(main.program.run())
