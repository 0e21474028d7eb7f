"""The ledger: what runs do, written as it happens, so that a report can be rebuilt from it and checked.

`events` are what is written, `chain` links each to all before it, `store` keeps them in a SQLite file, `writer`
hands them over without ever making a press wait, `reader` reads them back and says what is wrong with them.
"""
