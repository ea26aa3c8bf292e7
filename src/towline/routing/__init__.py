"""The router: render, test, switch."""
