"""The fan-out: every account cancelled, read and cancelled again until it is clear. No HTTP, no disk."""
