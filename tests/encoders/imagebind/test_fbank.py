"""The mel front end is Kaldi's."""

from __future__ import annotations

import pytest
import torch
import torchaudio
from safetensors.torch import load_file

from encoders import imagebind
from encoders.imagebind import fbank
from tests.encoders.conftest import GOLDEN


def by_kaldi(sound: torch.Tensor) -> torch.Tensor:
    return torchaudio.compliance.kaldi.fbank(
        sound[None], htk_compat=True, sample_frequency=16000, use_energy=False,
        window_type="hanning", num_mel_bins=128, dither=0.0, frame_length=25, frame_shift=10,
    )  # fmt: skip


@pytest.mark.parametrize("kind", ["noise", "tone", "silence", "offset"])
def test_is_kaldis_fbank(kind):
    """Breaks on any change of framing, window, pre-emphasis, bands or floor."""
    torch.manual_seed(0)
    sound = {
        "noise": 0.3 * torch.randn(32000).clamp(-3, 3),
        "tone": 0.5 * torch.sin(torch.arange(32000) * 0.17) + 1e-3 * torch.randn(32000),
        "silence": torch.zeros(32000),
        "offset": 0.4 + 0.1 * torch.randn(32000),
    }[kind]
    assert torch.allclose(fbank.log_mel(sound[None])[0], by_kaldi(sound), atol=2e-3, rtol=1e-4)


def test_pads_and_normalises_as_the_reference():
    """Breaks if the six columns after 198 frames are not a log mel of zero."""
    out = fbank.mel(0.1 * torch.randn(3, 32000))
    assert out.shape == (3, 1, 128, 204)
    assert torch.allclose(out[..., 198:], torch.tensor(4.268 / 9.138))
    assert fbank.mel(torch.zeros(1, 40000)).shape == (1, 1, 128, 204)


def test_a_frame_depends_on_its_own_samples_alone():
    """Breaks if a later sound changes an earlier frame."""
    sound = 0.1 * torch.randn(1, 32000)
    louder = torch.cat([sound[:, :16000], 5 * sound[:, 16000:]], dim=1)
    first = (16000 - 400) // 160 + 1
    assert torch.equal(fbank.log_mel(sound)[:, :first], fbank.log_mel(louder)[:, :first])


def test_the_references_mel_gives_its_vectors(golden_weights, golden_config):
    """Breaks if the layout (bands x frames, clips) is not what the model was given."""
    assets = load_file(GOLDEN / "assets_preprocessed.safetensors")
    mels = torch.stack([assets[f"{n}_audio_mel"] for n in ("dog", "car", "bird")])
    model = imagebind.load(golden_weights, config=golden_config, modalities=["audio"])
    assert torch.allclose(model({"audio": mels})["audio"], assets["emb_small_audio"], atol=2e-5)
