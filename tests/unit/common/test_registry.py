"""The registry of models: pins, licences, choices."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import pytest

from common import registry as registry_module
from common.errors import ConfigError
from common.registry import (
    ALLOWED_LICENCES,
    REGISTRY_FILE,
    Conversion,
    ModelFile,
    Profile,
    Registry,
    dumps,
    load,
    model_directory,
)
from gpu_jobs.models.table import page
from tests import tiny_models
from tests.tiny_models import faces, speech

DOCUMENT = Path(__file__).parents[3] / "docs" / "models.md"
ROLES = {"speech", "text", "image", "screen_text", "faces_detect", "faces_embed"}


def test_every_profile_has_a_model_for_every_role() -> None:
    """Both profiles are complete."""
    registry = load()
    assert set(registry.profiles) == {"cpu", "gpu"}
    for name in registry.profiles:
        models = registry.profile(name)
        assert set(models) == ROLES
        assert all(model.role == role for role, model in models.items())


def test_every_model_has_a_licence_that_allows_its_use_or_is_gated() -> None:
    """What a profile uses by itself is on the allowed list; the rest needs somebody's word."""
    registry = load()
    for name, profile in registry.profiles.items():
        for key in (*profile.default.values(), *profile.selectable):
            model = registry.model(key)
            assert model.licence_source.startswith("https://")
            if model.commercial:
                assert model.licence in ALLOWED_LICENCES
                continue
            assert key not in profile.default.values()
            with pytest.raises(ConfigError, match="not cleared for commercial use"):
                registry.profile(name, choose=[key])
            assert key in {
                m.key for m in registry.profile(name, choose=[key], cleared=[key]).values()
            }


def test_adaface_is_gated() -> None:
    """The weights that carry no licence are listed, and nobody gets them unasked."""
    model = load().model("adaface-ir101-webface12m")
    assert (model.commercial, model.supplied, model.dimensions) == (False, True, 512)
    assert load().profile("gpu")["faces_embed"].key == "sface-2021dec"


@pytest.mark.parametrize("licence", ["CC-BY-NC-4.0", "NOASSERTION", "AGPL-3.0-only", ""])
def test_no_other_licence_can_be_called_cleared(licence: str) -> None:
    """The registry itself does not load if it claims so."""
    with pytest.raises(ValueError, match="does not clear commercial use"):
        dataclasses.replace(speech(), licence=licence)


def test_a_profile_cannot_default_to_a_gated_model() -> None:
    """Being gated and being used unasked exclude each other."""
    with pytest.raises(ValueError, match="not cleared"):
        tiny_models.registry(dataclasses.replace(speech(), commercial=False))


def test_the_registry_is_canonical() -> None:
    """Pinning changes what it pins and no other line."""
    assert REGISTRY_FILE.read_text() == dumps(load())


def test_the_document_is_made_from_the_registry() -> None:
    """docs/models.md is what `python -m gpu_jobs.models --table` prints."""
    assert DOCUMENT.read_text() == page(load())


def test_what_is_pinned_says_by_whom() -> None:
    """No hash or revision stands there without a source, and full ones have the right form."""
    for model in load().models:
        files = [*model.files, *(model.conversion.outputs if model.conversion else ())]
        if model.revision or any(file.sha256 for file in files):
            assert model.pinned_by
        assert all(re.fullmatch(r"([0-9a-f]{64})?", file.sha256) for file in files)


@pytest.mark.parametrize(
    "name",
    ["w.pt", "w.pth", "pytorch_model.bin", "w.pkl", "w.ckpt", "w.npz", "code.py", "w", "W.PT"],
)
def test_pickles_and_code_cannot_be_listed(name: str) -> None:
    """A file that loading could execute is only allowed as input of a conversion."""
    with pytest.raises(ValueError, match="could be a pickle"):
        dataclasses.replace(faces(), files=(ModelFile(path=name),))
    converted = Conversion(name="c", inputs=(name,), outputs=(ModelFile(path="model.safetensors"),))
    model = dataclasses.replace(faces(), files=(ModelFile(path=name),), conversion=converted)
    assert [file.path for file in model.kept] == ["model.safetensors"]


def test_ctranslate2_may_call_its_weights_bin() -> None:
    """One name of one format, no other."""
    assert speech().may_keep("model.bin")
    assert not faces().may_keep("model.bin")
    assert not speech().may_keep("other.bin")


@pytest.mark.parametrize(
    "path", ["../up.json", "/etc/passwd.json", ".hidden.json", "", "a\\b.json"]
)
def test_paths_stay_below_their_directory(path: str) -> None:
    """No file of a repository can be written elsewhere."""
    with pytest.raises(ValueError, match="not a path below a repository"):
        ModelFile(path=path)


@pytest.mark.parametrize(
    ("field", "value"),
    [("revision", "main"), ("revision", "0123"), ("key", "../x"), ("key", "A b")],
)
def test_malformed_entries_do_not_load(field: str, value: str) -> None:
    """A branch is no revision, and a key is a name of a directory."""
    change: dict[str, Any] = {field: value}
    with pytest.raises(ValueError, match=r"revision|key"):
        dataclasses.replace(speech(), **change)


def test_a_broken_file_is_a_configuration_error(tmp_path: Path) -> None:
    """Unknown fields, unknown keys and no file are said plainly."""
    path = tiny_models.write_registry(tmp_path / "registry.json", speech())
    plain = json.loads(path.read_text())
    path.write_text(json.dumps({**plain, "surprise": 1}))
    with pytest.raises(ConfigError, match="surprise"):
        load(path)
    plain["profiles"]["cpu"]["default"]["speech"] = "nobody"
    path.write_text(json.dumps(plain))
    with pytest.raises(ConfigError, match="nobody"):
        load(path)
    with pytest.raises(ConfigError, match="no-such"):
        load(tmp_path / "no-such.json")


def test_a_choice_takes_its_roles_place() -> None:
    """Medium instead of large; what is not selectable, and what does not exist, is refused."""
    registry = load()
    chosen = registry.profile("gpu", choose=["faster-whisper-medium"])
    assert chosen["speech"].key == "faster-whisper-medium"
    assert chosen["text"] == registry.profile("gpu")["text"]
    for key in ("faster-whisper-medium", "no-such-model"):
        with pytest.raises(ConfigError, match="cannot be chosen in profile cpu"):
            registry.profile("cpu", choose=[key])
    with pytest.raises(ConfigError, match="downloads no models"):
        registry.profile("offline")


def test_a_deployment_refuses_what_is_not_pinned() -> None:
    """Every gap is named; without gaps it passes."""
    known, loose = speech(), tiny_models.unpinned(faces())
    registry = tiny_models.registry(known, loose)
    with pytest.raises(ConfigError, match=r"tiny-faces \(revision, onnx/find\.onnx\)") as refusal:
        registry.refuse_unpinned("gpu")
    assert "tiny-speech" not in str(refusal.value)
    assert "make models-pin PROFILE=gpu" in str(refusal.value)
    tiny_models.registry(known, faces()).refuse_unpinned("gpu")


def test_the_shipped_gpu_profile_is_judged_by_its_pins() -> None:
    """The module's own gate says what the registry says."""
    gaps = [model.key for model in load().profile("gpu").values() if not model.is_pinned]
    if not gaps:
        registry_module.refuse_unpinned("gpu")
        return
    with pytest.raises(ConfigError) as refusal:
        registry_module.refuse_unpinned("gpu")
    assert all(key in str(refusal.value) for key in gaps)


def test_a_conversion_is_pinned_by_its_outcome_too() -> None:
    """Known inputs alone do not make a model pinned."""
    model = tiny_models.text(
        {"pytorch_model.bin": b"", "sparse_linear.pt": b"", "colbert_linear.pt": b""}
    )
    assert model.unpinned == ("model.safetensors", "heads.safetensors")


@pytest.mark.parametrize(
    "change",
    [
        {"revision": "b" * 40},
        {"dimensions": 7},
        {"preprocessing": 2},
        {"key": "other"},
        {"files": (*speech().files[:-1], tiny_models.pinned("vocabulary.txt", b"other"))},
        {"files": speech().files[:-1]},
    ],
)
def test_a_fingerprint_changes_with_what_makes_vectors(change: dict[str, Any]) -> None:
    """Revision, hashes, list of files, width, preprocessing."""
    assert dataclasses.replace(speech(), **change).fingerprint != speech().fingerprint


@pytest.mark.parametrize("change", [{"note": "n"}, {"pinned_by": "p"}, {"licence_source": "s"}])
def test_a_fingerprint_ignores_what_is_for_people(change: dict[str, Any]) -> None:
    """Notes make no new index."""
    assert dataclasses.replace(speech(), **change).fingerprint == speech().fingerprint


def test_a_fingerprint_includes_what_a_conversion_makes() -> None:
    """Pinning the outcome changes it, as pinning anything does."""
    contents = {"pytorch_model.bin": b"1", "sparse_linear.pt": b"2", "colbert_linear.pt": b"3"}
    before = tiny_models.text(contents)
    assert before.conversion is not None
    outputs = tuple(tiny_models.pinned(file.path, b"x") for file in before.conversion.outputs)
    after = dataclasses.replace(
        before, conversion=dataclasses.replace(before.conversion, outputs=outputs)
    )
    assert after.is_pinned
    assert after.fingerprint != before.fingerprint


def test_a_revision_has_a_directory_of_its_own() -> None:
    """What is not pinned has one too."""
    assert model_directory(Path("m"), speech()) == Path("m/tiny-speech") / speech().revision
    assert model_directory(Path("m"), tiny_models.unpinned(speech())) == Path(
        "m/tiny-speech/unpinned"
    )


def test_names_are_unique() -> None:
    """No key and no path twice."""
    profile = Profile(default={"speech": "tiny-speech"})
    with pytest.raises(ValueError, match="used twice"):
        Registry(profiles={"cpu": profile}, models=(speech(), speech()))
    twice: tuple[ModelFile, ...] = (*speech().files, speech().files[0])
    with pytest.raises(ValueError, match="twice"):
        dataclasses.replace(speech(), files=twice)
    wrong = Profile(default={"text": "tiny-speech"})
    with pytest.raises(ValueError, match="not a model for text"):
        Registry(profiles={"cpu": wrong}, models=(speech(),))
