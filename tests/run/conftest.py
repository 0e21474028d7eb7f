"""What the tests of engaging and resetting share."""

from pathlib import Path

import pytest

from panic import latch
from panic.config import Broker, Credential, LatchFile, LedgerFiles, RosterFile, Settings
from tests.run.firm import BROKER, Firm

KEY = "keyid42.aB3dE6gH9jK2mN5pQ8sT1vW4yZ7bC0eF3hI6kL9nO2qR5tU8wX1"


@pytest.fixture
def firm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Firm:
    """Nothing is engaged, and nobody has pressed."""
    monkeypatch.setenv("DESK_KEY", KEY)
    ledger, file = tmp_path / "records" / "ledger.db", tmp_path / "latch" / "panic.latch"
    settings = Settings(
        broker=Broker(base_url=BROKER),
        credentials={"default": Credential(env="DESK_KEY"), "gone": Credential(env="NO_SUCH_KEY")},
        roster=RosterFile(file=tmp_path / "accounts.csv"),
        ledger=LedgerFiles(file=ledger),
        latch=LatchFile(file=file),
    )
    latch.create(file)
    return Firm(settings, file, ledger)
