"""The self-test: what a check and this machine's own state say about the next press.

tester     one round at an interval, which no press waits for, and who is told
machine    looks at this machine
findings   the table of findings, and which of them a check comes to
result     what the last one found, in a small file beside the ledger
"""
