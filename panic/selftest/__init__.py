"""The self-test: what a check and this machine's own state say about the next press.

machine     looks at this machine: disks, ledger, latch, certificate
judgement   pure: what all of it comes to, worst first, each with its remedy
last        the last self-test, kept in a small file beside the ledger
"""

from panic.selftest.judgement import SOON_DAYS, Circumstances, Finding, exit_code, findings, machine_findings
from panic.selftest.last import Kept, Last, ago, place, read, to_json, write
from panic.selftest.machine import Disk, Machine, look

__all__ = [
    "SOON_DAYS",
    "Circumstances",
    "Disk",
    "Finding",
    "Kept",
    "Last",
    "Machine",
    "ago",
    "exit_code",
    "findings",
    "look",
    "machine_findings",
    "place",
    "read",
    "to_json",
    "write",
]
