"""The one document of a run: its model, the fold that makes it, its headline and flags."""
