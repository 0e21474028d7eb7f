"""Evidence: a piece of the ledger in one file that can be checked with nothing but a head kept elsewhere."""
