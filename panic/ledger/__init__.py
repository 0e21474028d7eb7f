"""The ledger: what runs do, written as it happens, so that a report can be rebuilt from it and checked."""
