"""Gates: what must hold before a stage counts as passed; each a value, a file each."""
