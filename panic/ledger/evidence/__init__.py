"""Evidence: a piece of the ledger in one file that can be checked with nothing but a head kept elsewhere.

Anyone who can write the file can recompute every hash in it: without a head it is consistent at best.
"""
