"""Panic as a service: presses over HTTP, on what is kept ready for them."""
