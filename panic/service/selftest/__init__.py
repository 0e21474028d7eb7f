"""The self-test: what a check and this machine's own state say about the next press.

round       one round: files, machine, every account; what it found and what is kept of it
machine     looks at this machine: disks, ledger, latch
judgement   pure: what all of it comes to, worst first
finding     the table of all findings, each with its remedy
alarm       who is told what, and when it is over
last        the last self-test, kept in a small file beside the ledger
gauges      the last self-test for Prometheus
"""

from panic.service.selftest.finding import Finding, exit_code, found
from panic.service.selftest.judgement import Circumstances, findings, machine_findings
from panic.service.selftest.last import Kept, Last, ago, place, read, to_json, write
from panic.service.selftest.machine import Disk, Machine, look

__all__ = [
    "Circumstances",
    "Disk",
    "Finding",
    "Kept",
    "Last",
    "Machine",
    "ago",
    "exit_code",
    "findings",
    "found",
    "look",
    "machine_findings",
    "place",
    "read",
    "to_json",
    "write",
]
