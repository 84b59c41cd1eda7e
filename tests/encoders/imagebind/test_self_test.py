"""A broken path does not pass for a right one."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from bindstream.errors import WeightsError
from bindstream.types import Modality
from encoders import imagebind
from encoders.imagebind.self_test import MIN_COSINE, SelfTest, example, trial_inputs


@pytest.fixture(scope="module")
def shipped():
    return imagebind.load("bindstream_tiny")


def plain(model, modality, x):
    with torch.inference_mode():
        return F.normalize(model.features(modality, x), dim=-1)


@pytest.mark.parametrize("modality", Modality)
def test_the_plain_model_passes_at_any_batch(shipped, modality):
    """Breaks if the proof refuses what is right."""
    test = SelfTest(shipped, modality)
    assert test.cosine(lambda x: plain(shipped, modality, x), (1, 2, 5)) >= 0.999999


@pytest.mark.parametrize("modality", Modality)
def test_a_tower_that_ignores_its_input_fails(shipped, modality):
    """Breaks if what a CUDA graph was recorded with, and gives for ever where the recording is
    empty, is as good as an answer. Two noises would do: their sounds differ by less than 1e-4."""
    recorded = plain(shipped, modality, example(shipped.config, modality))
    with pytest.raises(WeightsError, match=f"{modality}: the fast path's vectors"):
        SelfTest(shipped, modality).cosine(lambda x: recorded.expand(len(x), -1))


@pytest.mark.parametrize("modality", Modality)
def test_a_tower_that_answers_the_question_before_fails(shipped, modality):
    """Breaks if results may lag behind by one, or rows of a batch change places."""
    last = [example(shipped.config, modality)]

    def late(x):
        before, last[0] = last[0], x
        return plain(shipped, modality, before)

    with pytest.raises(WeightsError):
        SelfTest(shipped, modality).cosine(late)
    with pytest.raises(WeightsError):
        SelfTest(shipped, modality).cosine(lambda x: plain(shipped, modality, x.flip(0)), (2,))


def test_one_size_of_batch_that_is_wrong_is_found(shipped):
    """Breaks if only the recording of one window is proven, and that of four is served."""

    def wrong_at_four(x):
        out = plain(shipped, Modality.IMU, x)
        return out.roll(1, 0) if len(x) == 4 else out

    test = SelfTest(shipped, Modality.IMU)
    assert test.cosine(wrong_at_four, (1, 2)) >= 0.999
    with pytest.raises(WeightsError):
        test.cosine(wrong_at_four, (1, 2, 4))


@pytest.mark.parametrize("off", [0.05, float("nan")], ids=["tilted", "nan"])
def test_a_vector_that_is_a_little_off_fails(shipped, off):
    """Breaks if a wrong kernel, a damaged packing or no number at all is served."""

    def tilted(x):
        out = plain(shipped, Modality.IMU, x)
        return F.normalize(out + off * out.flip(-1), dim=-1)

    with pytest.raises(WeightsError, match=r"imu: the fast path's vectors have a cosine of"):
        SelfTest(shipped, Modality.IMU).cosine(tilted)


@pytest.mark.parametrize("modality", Modality)
def test_inputs_are_three_that_differ_and_never_change(shipped, modality):
    """Breaks if the proof repeats what was recorded, or its inputs mean the same to the model."""
    config = shipped.config
    recorded, trial = example(config, modality), trial_inputs(config, modality)
    assert torch.equal(trial, trial_inputs(config, modality))
    assert torch.equal(recorded, example(config, modality))
    assert not any(torch.equal(recorded[0], one) for one in trial)
    vectors = plain(shipped, modality, trial)
    assert float(vectors[0] @ vectors[1]) < MIN_COSINE - 0.01


def test_weights_that_give_one_vector_to_all_are_named(shipped, caplog):
    """Breaks if a proof that proves nothing goes unnoticed."""
    model = imagebind.load("bindstream_tiny", modalities=["imu"])
    model.load_state_dict({k: torch.zeros_like(v) + 0.1 for k, v in model.state_dict().items()})
    SelfTest(model, Modality.IMU)
    assert "imu: these weights give nearly the same vector" in caplog.text
