"""Attacks on a running service, each beside a person's presses: `make attack`, or `python -m tests.attack NAME`.

No part of the suite. A module here that has an `ATTACK` is one attack; it also runs alone.
"""
