"""Evidence: what the ledger tells of a run or a period, in one file that can be checked with nothing but itself.

    form      the lines of the file, each in the one way in which it can be written
    export    a ledger's events become such a file           archive   the same, and then they leave the ledger
    intake    such a file becomes events again, whoever wrote it
    walk      are they the events that were chained, and do they lead to a head that was kept elsewhere?
    runs      what they come to, run by run                  verify    all of it, in one answer

Whoever can write the file can recompute every hash in it. So nothing but a head that was kept where he cannot
write proves anything; without one a file is consistent at best.
"""
