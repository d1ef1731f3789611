"""`python -m local.sbom`: what Heimdex is made of, as CycloneDX 1.6 documents.

One for each lock file: its packages with version, hashes and licence, torch (which the Makefile
installs by version) where it is needed, and the models with revision, hashes and licence where
they are run. Nothing is asked of a network: what is locked is what is listed.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any, Final

from common import registry
from local.bundles import FUNCTIONS

ROOT: Final = Path(__file__).parents[1]
#: Lock files by what is made of them.
LOCKS: Final[Mapping[str, str]] = {
    # The demo and everything else without torch; the jobs' image has it too.
    "local": "local/requirements.txt",
    **{name: f"functions/{name}/requirements.txt" for name in FUNCTIONS},
    "gpu_jobs": "gpu_jobs/requirements.txt",
    "tests": "tests/requirements.txt",
}
#: What runs models, and is installed with torch.
_WITH_MODELS: Final = "gpu_jobs"
_WITH_TORCH: Final = frozenset({"gpu_jobs", "tests"})
_VERSION: Final = "0.1.0"

_REQUIREMENT = re.compile(r"([a-z0-9._-]+)(?:\[[^\]]*\])?==([^\s;]+)(?:\s*;\s*(.*))?")
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")
_TORCH = re.compile(r"^TORCH = torch==(\S+)$", re.MULTILINE)
#: An SPDX identifier or an expression of several; anything else is only a name.
_SPDX = re.compile(r"[A-Za-z0-9.+-]+(?: (?:AND|OR|WITH) [A-Za-z0-9.+-]+)*")


@dataclass(frozen=True, kw_only=True)
class Requirement:
    """One locked package."""

    name: str
    version: str
    #: For which environments, or "" for all.
    marker: str
    #: SHA-256 of every file that may be installed.
    hashes: tuple[str, ...]


def read_lock(path: Path) -> list[Requirement]:
    """The packages of a lock file, in its order."""
    text = re.sub(r"^\s*#.*$", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    joined = text.replace("\\\n", " ")
    return [_requirement(line.strip()) for line in joined.splitlines() if line.strip()]


def document(unit: str, *, made_at: datetime) -> dict[str, Any]:
    """The bill of materials of one unit.

    Args:
        unit: a key of `LOCKS`.
        made_at: aware.
    """
    components = [_package(each) for each in read_lock(ROOT / LOCKS[unit])]
    if unit in _WITH_TORCH:
        components.append(_torch())
    if unit == _WITH_MODELS:
        components += _models()
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid4()}",
        "version": 1,
        "metadata": {
            "timestamp": made_at.isoformat(timespec="seconds"),
            "component": {
                "type": "application",
                "bom-ref": f"heimdex-{unit}",
                "name": f"heimdex-{unit}",
                "version": _VERSION,
                "licenses": [{"license": {"id": "Apache-2.0"}}],
            },
        },
        "components": components,
        "dependencies": [
            {"ref": f"heimdex-{unit}", "dependsOn": [each["bom-ref"] for each in components]}
        ],
    }


def _requirement(line: str) -> Requirement:
    match = _REQUIREMENT.match(line)
    if match is None:
        raise ValueError(f"not a locked requirement: {line[:80]!r}")
    name, version, marker = match.groups()
    hashes = tuple(_HASH.findall(line))
    return Requirement(
        name=name,
        version=version,
        marker=(marker or "").split("--hash")[0].strip(),
        hashes=hashes,
    )


def _package(package: Requirement) -> dict[str, Any]:
    purl = f"pkg:pypi/{package.name}@{package.version}"
    found: dict[str, Any] = {
        "type": "library",
        "bom-ref": purl,
        "name": package.name,
        "version": package.version,
        "purl": purl,
        # Several files, one hash each; a component's own `hashes` would be of one file.
        "externalReferences": [
            {
                "type": "distribution",
                "url": f"https://pypi.org/project/{package.name}/{package.version}/",
                "hashes": [{"alg": "SHA-256", "content": each} for each in package.hashes],
            }
        ],
    }
    if package.marker:
        found["properties"] = [{"name": "heimdex:marker", "value": package.marker}]
    return found | _licensed(_licence(package.name))


def _torch() -> dict[str, Any]:
    match = _TORCH.search((ROOT / "Makefile").read_text(encoding="utf-8"))
    if match is None:
        raise ValueError("the Makefile names no version of torch")
    return _package(Requirement(name="torch", version=match[1], marker="", hashes=()))


def _models() -> Iterator[dict[str, Any]]:
    for model in registry.load().models:
        ref = f"pkg:huggingface/{model.repository}@{model.revision or 'unpinned'}"
        yield {
            "type": "machine-learning-model",
            "bom-ref": f"{ref}#{model.key}",
            "name": model.key,
            "version": model.revision or "unpinned",
            "purl": ref,
            "components": [
                {
                    "type": "file",
                    "name": file.path,
                    "hashes": [{"alg": "SHA-256", "content": file.sha256}] if file.sha256 else [],
                }
                for file in model.files
            ],
            **_licensed(model.licence),
        }


def _licence(name: str) -> str:
    """As the installed package states it, or "" for one that is not installed here."""
    try:
        found: Any = metadata.metadata(name)
    except metadata.PackageNotFoundError:
        return ""
    if expression := found.get("License-Expression"):
        return str(expression)
    classifiers = [
        each.rpartition(" :: ")[2]
        for each in found.get_all("Classifier") or ()
        if each.startswith("License :: OSI Approved :: ")
    ]
    stated = str(found.get("License") or "")
    return " AND ".join(classifiers) or (stated if len(stated) <= 80 else "")


def _licensed(licence: str) -> dict[str, Any]:
    """CycloneDX tells SPDX expressions from names in words."""
    if not licence or licence == "NOASSERTION":
        return {}
    if _SPDX.fullmatch(licence) and " " in licence:
        return {"licenses": [{"expression": licence}]}
    return {"licenses": [{"license": {"name": licence}}]}


def main() -> int:
    """Write all documents; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m local.sbom", description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "sbom", metavar="DIR")
    out: Path = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    for unit in LOCKS:
        path = out / f"{unit}.cdx.json"
        made = document(unit, made_at=datetime.now(UTC))
        path.write_text(json.dumps(made, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        print(f"{path}: {len(made['components'])} components")
    return 0


if __name__ == "__main__":
    sys.exit(main())
