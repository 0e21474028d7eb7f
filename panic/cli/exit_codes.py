"""What the exit code of each command says; `--help` and the reference show it."""

from typing import Final

_OF_A_RUN: Final = """\
  0 clear · 10 unverified · 20 open · 30 unknown · 40 refused
  64 usage, 78 configuration (both: nothing was sent) · 70 panic itself failed"""

EXIT_CODES: Final = {
    "panic": _OF_A_RUN,
    "panic press": _OF_A_RUN,
    "panic resume": _OF_A_RUN,
    "panic show": _OF_A_RUN,
    "panic runs": """\
  0 every run finished · 10 some did not, or part of the ledger cannot be read · 64 usage""",
    "panic latch": """\
  0 disengaged · 20 engaged, or missing or unreadable, which means engaged · 64 usage""",
    "panic reset": """\
  0 done · 20 asked: another person must reset the same · 64 refused · 70 the latch could not be changed
  78 it could not be put on record""",
    "panic token": """\
  0 made and shown · 64 usage · 70 it could not be shown""",
    "panic init": """\
  0 made · 64 there already · 78 no usable key, or the broker lists no account; nothing was made""",
    "panic check": """\
  0 a press would work everywhere · 10 drift, skew, a disk problem, or not all could be checked
  30 no valid answer for some account · 40 some account refused · 78 mistakes in the files
  with --last: the code of the last self-test, at least 10 if it is old · 64 there was none""",
    "panic orders": """\
  0 every account was read whole · 10 some could not be: what is open there is not known
  64 usage · 78 configuration""",
    "panic config show": """\
  0 shown · 78 shown, but a press would send nothing with these settings""",
    "panic drill": """\
  0 the report agrees with the simulator on every account · 1 it does not · 64 usage
  with --room: 0 ended by a signal""",
    "panic serve": """\
  0 ended by a signal · 78 it may not, or cannot, listen at the address in the settings""",
    "panic health": """\
  0 it answers; with --ready: a press would work · 1 it does not""",
    "panic sessions": """\
  0 listed, or ended · 1 the service does not answer, or refuses
  64 usage, or nobody of that name is signed in · 78 the settings, or the token, cannot be used""",
    "panic completion": """\
  0 printed · 64 usage""",
    "panic schedule": """\
  0 every schedule has a next run · 10 some will not run, or a calendar is in doubt""",
    "panic evidence export": """\
  0 written · 20 written, and the ledger is altered or damaged · 64 usage, or nothing on record""",
    "panic evidence verify": """\
  0 anchored: a head proves every event in it
  10 consistent, but not anchored · 20 altered or damaged · 64 usage""",
    "panic evidence backup": """\
  0 copied and whole · 20 copied, and altered or damaged · 64 usage · 70 not copied""",
    "panic simulate": """\
  0 ended by a signal · 64 usage""",
}
