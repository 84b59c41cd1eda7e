"""Another kind of model is one file and one line: OpenCLIP, from a folder, vision and text."""

from __future__ import annotations

import importlib.util
import json
import shutil
import warnings

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from bindstream.errors import InvalidInput, MissingExtra, WeightsError
from bindstream.formats import Frames
from bindstream.types import Modality, Sample, Window
from encoders.loading import load_encoder
from encoders.offer import offer_of
from encoders.open_clip import encoder as encoder_module
from pipeline.windows.windower import make_windower
from tests.pipeline.messages import of

if importlib.util.find_spec("open_clip") is None:
    pytest.skip("needs the extra 'clip'", allow_module_level=True)
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of the library's own imports
    import open_clip

CONFIG = {
    "embed_dim": 32,
    "vision_cfg": {"image_size": 64, "layers": 2, "width": 64, "head_width": 32, "patch_size": 16},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A small OpenCLIP model with random weights, saved as the hub saves one."""
    folder = tmp_path_factory.mktemp("clip") / "small"
    folder.mkdir()
    torch.manual_seed(0)
    state = open_clip.CLIP(**{k: dict(v) if isinstance(v, dict) else v for k, v in CONFIG.items()})
    tensors = {k: v.contiguous().clone() for k, v in state.state_dict().items()}
    save_file(tensors, folder / "open_clip_model.safetensors")
    form = {"mean": [0.5, 0.4, 0.3], "std": [0.2, 0.3, 0.4]}
    (folder / "open_clip_config.json").write_text(
        json.dumps({"model_cfg": CONFIG, "preprocess_cfg": form})
    )
    return folder


@pytest.fixture(scope="module")
def encoder(folder):
    return load_encoder("open_clip", str(folder), device="cpu")


def window(data, modality=Modality.VISION) -> Window:
    return Window(
        robot="r",
        stream="eye",
        modality=modality,
        epoch=1,
        seq=0,
        start_ns=0,
        end_ns=1,
        data=data,
    )


def test_gives_open_clips_own_vectors(encoder, folder):
    """Breaks if pictures or words reach the model otherwise than open_clip itself sends them."""
    frames = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)
    model, preprocess = open_clip.create_model_from_pretrained(f"local-dir:{folder}")
    from PIL import Image

    with torch.inference_mode():
        picture = preprocess(Image.fromarray(frames[1])).unsqueeze(0)
        wanted = model.encode_image(picture, normalize=True).numpy()
        words = open_clip.get_tokenizer(f"local-dir:{folder}")(["a dog", "rain"])
        wanted_text = model.encode_text(words, normalize=True).numpy()
    assert np.allclose(encoder.encode([window(frames)]), wanted, atol=1e-5)
    assert np.allclose(encoder.encode_text(["a dog", "rain"]), wanted_text, atol=1e-5)
    assert encoder.dim == 32


def test_frames_of_another_size_are_resized(encoder):
    """Breaks if pictures that nobody cut for it cannot be shown to a model."""
    frames = np.random.default_rng(0).integers(0, 256, (2, 224, 224, 3), dtype=np.uint8)
    out = encoder.encode([window(frames)] * 2)
    assert np.allclose(np.linalg.norm(out, axis=1), 1.0, atol=1e-5)


def test_bad_windows_are_refused_alone_and_other_modalities_clearly(encoder):
    """Breaks if a wrong shape takes its batch with it, or sound is read as pixels."""
    good = window(np.zeros((2, 64, 64, 3), np.uint8))
    out = encoder.encode([window(np.zeros((2, 64, 60, 4), np.uint8)), good])
    assert np.isnan(out[0]).all()
    assert np.isfinite(out[1]).all()
    with pytest.raises(InvalidInput, match="has vision only, got audio"):
        encoder.encode([window(np.zeros(32000, np.float32), Modality.AUDIO)])


def test_says_which_space(encoder):
    """Breaks if its vectors could be compared with ImageBind's."""
    assert encoder.space_id.startswith("open_clip-small:")
    assert encoder.encoder_id.endswith("/oc1/float32")
    assert encoder.modalities == {Modality.VISION, Modality.TEXT}


def test_refuses_what_it_cannot_be(folder, tmp_path, monkeypatch):
    """Breaks if a wrong folder or a missing library surfaces as a traceback."""
    with pytest.raises(WeightsError, match="holds vision and text, not audio"):
        load_encoder("open_clip", str(folder), modalities=["audio"])
    with pytest.raises(WeightsError, match="wants open_clip_config"):
        load_encoder("open_clip", str(tmp_path))
    with pytest.raises(WeightsError, match="needs 'weights'"):
        load_encoder("open_clip", None)
    monkeypatch.setattr(encoder_module.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"pip install .*\[clip\]"):
        load_encoder("open_clip", str(folder))


@pytest.mark.parametrize(
    ("stated", "wanted"),
    [
        ({}, Frames(size_px=64, filter="bicubic")),
        ({"resize_mode": "squash"}, Frames(size_px=64, rule="squash", filter="bicubic")),
        ({"resize_mode": "longest"}, Frames()),
        ({"interpolation": "bilinear"}, Frames()),
    ],
)
def test_its_own_size_and_crop_are_cut(folder, tmp_path, stated, wanted):
    """Breaks if a camera's frame reaches the model otherwise than open_clip itself would prepare
    it: shrunk to somebody else's 224 and blown up again, or cropped where it wants the whole."""
    from PIL import Image

    own = tmp_path / "own"
    shutil.copytree(folder, own)
    said = json.loads((own / "open_clip_config.json").read_text())
    said["preprocess_cfg"] |= stated
    (own / "open_clip_config.json").write_text(json.dumps(said))
    encoder = load_encoder("open_clip", str(own), device="cpu")
    assert encoder.windows == offer_of("open_clip", str(own), {}).windows
    assert encoder.windows == {Modality.VISION: wanted}

    ramp = np.linspace(0, 255, 160).astype(np.uint8)
    frame = np.ascontiguousarray(np.broadcast_to(ramp[None, :, None], (90, 160, 3)))
    form = encoder.windows[Modality.VISION]
    windower = make_windower(of(Modality.VISION), form, hop_s=1, rate_hz=4)
    samples = [Sample("eye", n * 250_000_000, frame, n * 250_000_000) for n in range(12)]
    cut = next(c for s in samples for c in windower.push(s))
    model, preprocess = open_clip.create_model_from_pretrained(f"local-dir:{own}")
    with torch.inference_mode():
        picture = preprocess(Image.fromarray(frame)).unsqueeze(0)
        expected = model.encode_image(picture, normalize=True).numpy()
    got = encoder.encode([window(cut.data)])
    assert (got @ expected.T).item() > 0.9999
