"""Evidence: a piece of the ledger in one file that can be checked with nothing but itself.

    form      the lines of the file, each in the one way in which it can be written
    export    a piece of the ledger becomes such a file
    verify    is it what was recorded, and does it lead to a head that was kept elsewhere?

Whoever can write the file can recompute every hash in it. So nothing but a head that was kept where he cannot
write proves anything; without one a file is consistent at best.
"""
