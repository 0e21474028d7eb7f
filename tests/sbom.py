"""The software bill of materials, CycloneDX 1.6: what panic is installed with, pinned. `make sbom` writes it.

Our own: the lock and the installed metadata say everything, and cyclonedx-bom would bring twenty packages.
"""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, metadata, requires
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from panic._version import VERSION
from tests import ROOT

NAME = "panic-button"
_PINNED = re.compile(r"^(\S+)==(\S+)(.*?)(?=^\S|\Z)", re.MULTILINE | re.DOTALL)
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")


def pinned() -> dict[str, tuple[str, list[str]]]:
    """Give version and SHA-256 of the distributions of each package in the lock, by name."""
    lock = (ROOT / ".locks" / "run.txt").read_text()
    found = {canonicalize_name(name): (version, rest) for name, version, rest in _PINNED.findall(lock)}
    return {name: (version, _HASH.findall(rest)) for name, (version, rest) in found.items()}


def bom() -> dict[str, Any]:
    """Give the document."""
    lock = pinned()
    versions = {NAME: VERSION} | {name: version for name, (version, _) in lock.items()}
    components = [_component(name, versions) | {"hashes": _hashes(hashes)} for name, (_, hashes) in lock.items()]
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "timestamp": f"{datetime.now(UTC):%FT%TZ}",
            "component": _component(NAME, versions) | {"type": "application"},
        },
        "components": components,
        "dependencies": [{"ref": _purl(name, versions), "dependsOn": _needs(name, versions)} for name in versions],
    }


def _component(name: str, versions: Mapping[str, str]) -> dict[str, Any]:
    purl = _purl(name, versions)
    found = {"type": "library", "bom-ref": purl, "name": name, "version": versions[name], "purl": purl}
    return found | ({"licenses": [licence]} if (licence := _licence(name)) else {})


def _purl(name: str, versions: Mapping[str, str]) -> str:
    return f"pkg:pypi/{name}@{versions[name]}"


def _hashes(found: list[str]) -> list[dict[str, str]]:
    return [{"alg": "SHA-256", "content": one} for one in found]


def _licence(name: str) -> dict[str, Any] | None:
    """Give what the package says of its licence; None where it says nothing, or is not for this machine."""
    try:
        said = metadata(name).json
    except PackageNotFoundError:
        return None
    if expression := said.get("license_expression"):
        return {"expression": expression}
    named = [one.rpartition(" :: ")[2] for one in said.get("classifier", []) if one.startswith("License ::")]
    words = named[-1] if named else str(said.get("license", "")).partition("\n")[0]
    return {"license": {"name": words}} if words else None


def _needs(name: str, versions: Mapping[str, str]) -> list[str]:
    """Give what a package needs of what is in the lock; of ours the extras count too."""
    try:
        wanted = [Requirement(one) for one in requires(name) or ()]
    except PackageNotFoundError:
        return []
    extras = ("", *(metadata(name).get_all("Provides-Extra", []) if name == NAME else ()))
    names = {
        canonicalize_name(one.name)
        for one in wanted
        if one.marker is None or any(one.marker.evaluate({"extra": extra}) for extra in extras)
    }
    return sorted(_purl(one, versions) for one in names & versions.keys())


if __name__ == "__main__":
    print(json.dumps(bom(), indent=2))  # noqa: T201
