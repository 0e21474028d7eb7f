"""Where panic comes from: the bill of materials lists what the lock installs, and SECURITY.md is there."""

import re
from importlib.metadata import version

from tests import ROOT, sbom


def test_the_bill_of_materials_lists_what_the_lock_installs():
    """Each package with its version and hashes; what panic needs leads to every one."""
    document = sbom.bom()
    listed = {one["bom-ref"]: one for one in document["components"]}
    needs = {one["ref"]: one["dependsOn"] for one in document["dependencies"]}
    reached, ours = set[str](), [document["metadata"]["component"]["bom-ref"]]
    while ours:
        reached.add(ref := ours.pop())
        ours += [one for one in needs[ref] if one not in reached]

    lock = (ROOT / ".locks" / "run.txt").read_text()
    assert len(re.findall(r"^\S+==", lock, re.MULTILINE)) == len(listed)
    assert lock.count("--hash=sha256:") == sum(len(one["hashes"]) for one in listed.values())
    assert f"pkg:pypi/aiohttp@{version('aiohttp')}" in listed
    unused = {one["name"] for ref, one in listed.items() if ref not in reached}
    assert {"colorama", "tzdata", "win32-setctime"} >= unused, "only what other machines need is not reached"


def test_each_licence_is_named():
    """For everything that is installed here."""
    assert ["tzdata"] >= [one["name"] for one in sbom.bom()["components"] if "licenses" not in one]


def test_who_finds_a_hole_learns_how_to_report_it():
    """SECURITY.md says it, and does not lie beside the threat model unlinked."""
    text = (ROOT / "SECURITY.md").read_text()

    assert "docs/threat-model.md" in text
    assert "make sbom" in text
