"""Recognisers and the licence gate."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import onnx
import pytest

from common.errors import ConfigError, PermanentError
from gpu_jobs.models import face_recognisers
from gpu_jobs.models.device import Device
from gpu_jobs.models.face_gate import require_cleared
from gpu_jobs.models.face_recognisers import AdaFace, SFace
from tests.checkpoints import faces as checkpoints
from tests.conftest import settings

_CPU = Device(kind="cpu")


def crops(count: int, seed: int = 0) -> npt.NDArray[np.uint8]:
    """Noise with a colour cast, so that the channels differ."""
    noise = np.random.default_rng(seed).integers(0, 120, (count, 112, 112, 3))
    return np.asarray(noise + np.array([120, 40, 0]), dtype=np.uint8)


def one_colour(red: int, green: int, blue: int) -> npt.NDArray[np.uint8]:
    """A crop of one colour."""
    return np.full((1, 112, 112, 3), (red, green, blue), dtype=np.uint8)


def test_sface_equals_opencv(tmp_path: Path) -> None:
    """On the same weights the vectors are those of OpenCV's own SFace, normalised."""
    file = checkpoints.recogniser(tmp_path, dimensions=128, batch=1)
    theirs = cv2.FaceRecognizerSF.create(str(file), "")
    given = crops(3)
    vectors = SFace(file, _CPU).embed(given)
    for crop, vector in zip(given, vectors, strict=True):
        expected = theirs.feature(np.ascontiguousarray(crop[:, :, ::-1]))[0]
        np.testing.assert_allclose(vector[:128], expected / np.linalg.norm(expected), atol=1e-5)


def test_sface_takes_rgb(tmp_path: Path) -> None:
    """SFace's network sees red, green, blue from 0 to 255, in this order."""
    model = SFace(checkpoints.channel_probe(tmp_path, dimensions=128), _CPU)
    (vector,) = model.embed(one_colour(200, 50, 10))
    expected = np.array([200, 50, 10]) / np.linalg.norm([200, 50, 10])
    np.testing.assert_allclose(vector[:3], expected, atol=1e-6)


def test_adaface_takes_bgr(tmp_path: Path) -> None:
    """AdaFace's network sees blue, green, red from -1 to 1, in this order."""
    model = AdaFace(checkpoints.channel_probe(tmp_path, dimensions=512), _CPU)
    (vector,) = model.embed(one_colour(255, 51, 0))
    seen = np.array([-1.0, -0.6, 1.0])
    np.testing.assert_allclose(vector[:3], seen / np.linalg.norm(seen), atol=1e-5)


@pytest.mark.parametrize(("kind", "own"), [(SFace, 128), (AdaFace, 512)])
def test_vectors_have_one_length(
    tmp_path: Path, kind: type[SFace] | type[AdaFace], own: int
) -> None:
    """Vectors are 512 float32 numbers of length 1; what a model has not is zero."""
    model = kind(checkpoints.recogniser(tmp_path, dimensions=own, scale=9.0), _CPU)
    vectors = model.embed(crops(4))
    assert vectors.shape == (4, 512)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    assert (vectors[:, own:] == 0).all()
    assert (vectors[:, :own] != 0).mean() > 0.99
    assert model.embed(crops(0)).shape == (0, 512)


@pytest.mark.parametrize("batch", [1, None])
def test_batches_do_not_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batch: Any) -> None:
    """Many faces at once give what each gives alone, in order, whatever the model takes at once."""
    monkeypatch.setattr(face_recognisers, "_BATCH", 3)
    model = SFace(checkpoints.recogniser(tmp_path, dimensions=128, batch=batch), _CPU)
    given = crops(7)
    together = model.embed(given)
    alone = np.concatenate([model.embed(given[i : i + 1]) for i in range(7)])
    np.testing.assert_allclose(together, alone, atol=1e-5)
    assert np.abs(together[0] - together[1]).max() > 1e-4


def test_the_norms_of_adaface_are_left(tmp_path: Path) -> None:
    """An export with a second output, the norms, gives the same vectors."""
    plain = AdaFace(checkpoints.recogniser(tmp_path, dimensions=512), _CPU).embed(crops(2))
    with_norms = checkpoints.recogniser(tmp_path, dimensions=512, norms=True)
    np.testing.assert_array_equal(AdaFace(with_norms, _CPU).embed(crops(2)), plain)


def test_a_broken_model_fails_its_stage(tmp_path: Path) -> None:
    """Vectors without a direction end the stage instead of being stored."""
    model = SFace(checkpoints.recogniser(tmp_path, dimensions=128, scale=1e38), _CPU)
    with pytest.raises(PermanentError, match="stage_failed"):
        model.embed(crops(1))


@pytest.mark.torch  # it gives back memory
def test_memory_running_out_halves_the_batch(tmp_path: Path) -> None:
    """When the engine cannot allocate, half as many faces go at once, with the same outcome."""
    model = SFace(checkpoints.recogniser(tmp_path, dimensions=128), _CPU)
    expected = model.embed(crops(6))
    session, sizes = model._session, []

    class Cramped:
        def run(self, outputs: Any, inputs: Any) -> Any:
            (blob,) = inputs.values()
            sizes.append(len(blob))
            if len(blob) > 4:
                raise RuntimeError("Failed to allocate memory for requested buffer of size 9")
            return session.run(outputs, inputs)

    model._batch, model._session = 6, Cramped()
    np.testing.assert_allclose(model.embed(crops(6)), expected, atol=1e-5)
    assert sizes == [6, 3, 3]


def test_wrong_files_say_what_to_do(tmp_path: Path) -> None:
    """A missing, damaged or other file is refused when it is loaded, with what to do."""
    damaged = tmp_path / "damaged.onnx"
    damaged.write_bytes(b"no model")
    other = checkpoints.recogniser(tmp_path, dimensions=512)
    detector = checkpoints.detector(tmp_path)
    for file in (tmp_path / "missing.onnx", damaged, other, detector):
        with pytest.raises(ConfigError, match="run make models"):
            SFace(file, _CPU)


def test_a_gpu_is_used_where_there_is_one() -> None:
    """CUDA comes first if it is wanted and there; the CPU is always behind it."""
    both = ["TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"]
    wanted = face_recognisers._providers(Device(kind="cuda"), both)
    assert [p if isinstance(p, str) else p[0] for p in wanted] == both[1:]
    assert face_recognisers._providers(Device(kind="cuda"), both[2:]) == both[2:]
    assert face_recognisers._providers(_CPU, both) == both[2:]


@pytest.mark.parametrize("licence", ["NOASSERTION", "", "CC-BY-NC-4.0", "apache"])
def test_what_is_not_cleared_is_refused(licence: str) -> None:
    """Without a licence for commercial use a recogniser is refused unless the operator has one."""
    with pytest.raises(ConfigError, match="HEIMDEX_FEATURE_FACE_LICENSED=true"):
        require_cleared("some", licence, licensed=False)
    require_cleared("some", licence, licensed=True)


def test_sface_is_cleared_and_adaface_is_not() -> None:
    """The default may be used by anyone."""
    require_cleared(SFace.name, SFace.licence, licensed=False)
    with pytest.raises(ConfigError, match="adaface"):
        require_cleared(AdaFace.name, AdaFace.licence, licensed=False)


def test_faces_are_off_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both switches are off until the environment sets them."""
    assert not settings().feature_face_detection
    assert not settings().feature_face_licensed
    monkeypatch.setenv("HEIMDEX_FEATURE_FACE_DETECTION", "true")
    monkeypatch.setenv("HEIMDEX_FEATURE_FACE_LICENSED", "true")
    assert settings().feature_face_detection
    assert settings().feature_face_licensed


def test_the_checkpoints_are_real_models(tmp_path: Path) -> None:
    """The tiny models are valid ONNX, so that what passes here is not a lenient reader's doing."""
    for file in (
        checkpoints.detector(tmp_path),
        checkpoints.recogniser(tmp_path, dimensions=128, batch=1),
    ):
        onnx.checker.check_model(str(file), full_check=True)
