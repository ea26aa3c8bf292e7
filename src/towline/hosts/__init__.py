"""Where Docker engines live: this machine, and later others over SSH."""
