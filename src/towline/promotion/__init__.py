"""From the source tree to the deploy tree, and what was changed there by hand."""
