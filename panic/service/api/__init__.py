"""The HTTP API: its operations, what goes in and out, and what is refused."""
