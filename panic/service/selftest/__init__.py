"""The self-test: what a check and this machine's own state say about the next press.

proving     the loop: one round at an interval      machine     looks at this machine
round       files, machine and every account        finding     the table of findings, each with its remedy
judgement   pure: what all of it comes to           alarm       who is told what
last        the last one, in a small file beside the ledger
"""

from panic.service.selftest.finding import Finding, exit_code, found
from panic.service.selftest.judgement import Circumstances, certificate, findings
from panic.service.selftest.last import Kept, Last, ago, place, read, to_json, write
from panic.service.selftest.machine import look

__all__ = [
    "Circumstances",
    "Finding",
    "Kept",
    "Last",
    "ago",
    "certificate",
    "exit_code",
    "findings",
    "found",
    "look",
    "place",
    "read",
    "to_json",
    "write",
]
