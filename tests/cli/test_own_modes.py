"""What a process of panic leaves behind is for its user alone, whatever the umask says, and it dumps no core."""

import resource
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.inside import beside
from tests.cli.support import PRESS, Firm, account, clean_environment, simulate

MORE = """
[state]
folder = "state/of/panic"
"""


def test_under_no_umask_at_all_others_write_nothing_and_read_the_latch_alone(tmp_path: Path):
    """Report, ledger and pace are for the owner; the folders may be looked through by who looks for the latch."""
    with beside(simulate(account(1))) as simulator:
        firm = Firm(tmp_path, simulator.base_url, [1], more=MORE)
        for words in (("latch", "--create"), (*PRESS, "--latch", "--output", str(tmp_path / "report.json"))):
            command = [sys.executable, "-m", "panic", *firm.lines(*words)]
            env = clean_environment()
            subprocess.run(command, check=True, env=env, cwd=tmp_path, capture_output=True, umask=0)
    folder = tmp_path / "state" / "of" / "panic"
    files = [one for one in folder.iterdir() if one.name != "panic.latch"] + [tmp_path / "report.json"]

    assert {0o600} == {stat.S_IMODE(one.stat().st_mode) for one in files}, files
    assert 0o644 == stat.S_IMODE((folder / "panic.latch").stat().st_mode)
    assert {0o755} == {stat.S_IMODE(one.stat().st_mode) for one in (folder, folder.parent, folder.parent.parent)}


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux says whether a process may be dumped")
def test_no_core_is_dumped(tmp_path: Path):
    """Neither a file, nor to whatever the system hands cores to: a core would hold the keys."""
    script = """
import sys, resource, ctypes, panic.cli, panic.__main__
panic.cli.run = lambda _: print(resource.getrlimit(resource.RLIMIT_CORE), ctypes.CDLL(None).prctl(3))
sys.exit(panic.__main__.main())
"""
    before = resource.getrlimit(resource.RLIMIT_CORE)
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=True,
    )

    assert "(0, 0) 0\n" == done.stdout
    assert before == resource.getrlimit(resource.RLIMIT_CORE)


def test_where_it_may_not_have_that_it_starts_all_the_same(tmp_path: Path):
    """A hardened unit may forbid what ctypes needs; a press must not fail for it."""
    script = """
import sys, panic.cli, panic.__main__
sys.modules["ctypes"] = None
panic.cli.run = lambda _: print("started")
sys.exit(panic.__main__.main())
"""
    command, env = [sys.executable, "-c", script], clean_environment()
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)

    assert ("started\n", "") == (done.stdout, done.stderr)
