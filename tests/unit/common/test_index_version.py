"""Names of indexes and scenes."""

from __future__ import annotations

import dataclasses
import re
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common import encoders, index_version, registry
from common.encoders import minilm
from common.errors import ConfigError
from common.index_version import MANIFESTS, scene_id
from tests import tiny_models

VIDEO = UUID("00000000-0000-4000-8000-000000000001")


def test_the_offline_index_has_a_fixed_name() -> None:
    """The name changes only with the manifest: a new one means that every video is indexed anew."""
    name = index_version.index_version("offline")
    assert re.fullmatch(r"offline-[0-9a-f]{12}", name)
    assert name == index_version.index_version("offline")
    assert name == "offline-4bc2e69e0b76"


@pytest.mark.parametrize("change", [{"preprocessing": 2}, {"sha256": "00"}, {"dimensions": 7}])
def test_any_change_of_a_model_is_a_new_index(
    change: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another revision, width or preprocessing gives another name."""
    before = index_version.index_version("offline")
    first, *rest = MANIFESTS["offline"]
    changed = (dataclasses.replace(first, **change), *rest)
    monkeypatch.setattr(index_version, "MANIFESTS", {"offline": changed})
    assert index_version.index_version("offline") != before


def test_unknown_profiles_are_refused() -> None:
    """A profile without a manifest has no index."""
    with pytest.raises(ConfigError, match="huge"):
        index_version.index_version("huge")
    with pytest.raises(ConfigError, match="no models to choose"):
        index_version.index_version("offline", choose=["bge-m3"])


@pytest.mark.parametrize("profile", ["cpu", "gpu"])
def test_the_registry_makes_the_other_indexes(profile: str) -> None:
    """Every model of the profile is in the manifest, with all that identifies it."""
    manifest = {record.role: record for record in index_version.manifest(profile)}
    for role, model in registry.load().profile(profile).items():
        record = manifest.pop(role)
        assert (record.name, record.sha256) == (model.key, model.fingerprint)
        assert record.dimensions == model.dimensions
    assert set(manifest) == {"tags", "screen_text_detect"}
    assert re.fullmatch(rf"{profile}-[0-9a-f]{{12}}", index_version.index_version(profile))


def test_another_model_is_another_index() -> None:
    """Choosing medium builds an index beside the one of large; so does other vocabulary of tags."""
    before = index_version.index_version("gpu")
    assert index_version.index_version("gpu", choose=["faster-whisper-medium"]) != before
    assert index_version.index_version("gpu", choose=["adaface-ir101-webface12m"]) != before
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(index_version, "TAG_VOCABULARY_VERSION", 99)
        assert index_version.index_version("gpu") != before


def test_pinning_a_model_makes_another_index(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was indexed on trust is not searched as if it had been pinned."""
    loose = tiny_models.unpinned(tiny_models.speech())
    monkeypatch.setattr(registry, "load", lambda: tiny_models.registry(loose))
    before = index_version.index_version("cpu")
    monkeypatch.setattr(registry, "load", lambda: tiny_models.registry(tiny_models.speech()))
    assert index_version.index_version("cpu") != before


def test_the_manifest_is_what_is_loaded() -> None:
    """Names, widths and hashes in the manifest are those of the encoders."""
    manifest = {record.role: record for record in MANIFESTS["offline"]}
    loaded = encoders.load("offline")
    assert manifest["text"].name == loaded.text.name
    assert manifest["text"].sha256 == minilm.SHA256
    assert manifest["text"].dimensions == loaded.text.encode(["a"]).shape[1]
    assert manifest["image"].name == loaded.image.name


def test_scene_ids_are_stable() -> None:
    """The same scene has the same id in every attempt and on every machine."""
    assert scene_id(VIDEO, 7, "offline-0123456789ab", 0) == UUID(
        "73ea648e-1f3b-525f-8b91-547e4c625be7"
    )


@given(st.sets(st.tuples(st.integers(0, 9), st.integers(0, 9), st.sampled_from(["a", "b"]))))
def test_scene_ids_differ(scenes: set[tuple[int, int, str]]) -> None:
    """Another generation, ordinal or index is another scene."""
    ids = {scene_id(VIDEO, generation, index, n) for generation, n, index in scenes}
    assert len(ids) == len(scenes)
