"""An environment opened: its hosts, the state on each, and the lead among them."""
