"""What people see on standard output: one line that says it all, then the rest, worst first.

report      what became of a run           check       what the self-test found
plan        what a press would do          history     the runs on record
latch       what is engaged, and a reset   evidence    whether it is what was recorded
                                           drawing     what all of them are drawn with
"""
