"""The parts measure what they say, in tiny sizes, and the author's program meets the traces."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from dqn_port.bench.report import bench as measure
from dqn_port.systems.hvass16.bench import PARTS, flop_of_update
from dqn_port.systems.hvass16.bench.stand_in import MotionTracer, Network, pre_process_image
from dqn_port.systems.hvass16.neural_network import NeuralNetwork
from dqn_port.systems.hvass16.system import SYSTEM
from dqn_port.systems.hvass16.traces.formulas import mix, probes, tensors
from tests.golden_files import arrays, meta
from tests.systems.hvass16.building import options

BESIDE = {"own", "author", "beside"}
FLOORS = {"update", "floor", "ratio", "ratio_mkl", "rate_mkl", "rate_onednn", "rate_openblas"}
FIGURES = {
    "frame": BESIDE,
    "sweep": BESIDE,
    "checkpoint": {"seconds", "written", "states"},
}


@pytest.mark.parametrize(
    "part", ["frame", "checkpoint", pytest.param("sweep", marks=pytest.mark.slow)]
)
def test_a_part_is_measured(part):
    opt = options(env="Breakout-v0", replay_size=40, state_height=105, state_width=80)
    table = measure(
        SYSTEM, PARTS[part], opt, name=part, threads=1, steps=2, repeats=2, with_profile=False
    ).to_json()
    assert set(json.loads(json.dumps(table))["figures"]) == FIGURES[part]
    for figure in table["figures"].values():
        assert len(figure["values"]) == 2
        assert figure["low"] > 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("part", "figures"), [("update", FLOORS | BESIDE), ("stand_in", {"own", "author", "ratio"})]
)
def test_a_part_with_the_authors_network_is_measured(part, figures):
    opt = options(env="Breakout-v0", batch_size=128, max_epochs_start_value=1, threads=1)
    table = measure(
        SYSTEM, PARTS[part], opt, name=part, threads=1, steps=2, repeats=1, with_profile=True
    ).to_json()
    assert set(table["figures"]) == figures
    assert "update" in {stage["name"] for stage in table["profile"]["stages"]} or part != "update"


def test_every_part_is_tried():
    assert set(PARTS) == {*FIGURES, "update", "stand_in"}


def test_the_operations_of_an_update_by_hand():
    network = NeuralNetwork(4, (105, 80, 2))
    convolutions = [53 * 40 * 16 * 18, 27 * 20 * 32 * 144, 27 * 20 * 64 * 288]
    dense = [34560 * 1024, 1024 * 1024, 1024 * 1024, 1024 * 1024, 1024 * 4]
    forward = [2 * n for n in (*convolutions, *dense)]
    assert flop_of_update(network, 128) == 128 * (3 * sum(forward) - forward[0])


def test_the_authors_pictures_are_those_of_the_trace():
    trace, about = arrays("hvass/preproc"), meta("hvass/preproc")
    e = np.arange(210 * 160 * 3).reshape(210, 160, 3)
    noise = (mix(e, about["made_images"]["noise_t"]) >> 24).astype(np.uint8)
    assert np.array_equal(pre_process_image(noise), trace["made_v17_noise"])
    flat = np.full((210, 160, 3), about["made_images"]["flat"], dtype=np.uint8)
    assert np.array_equal(pre_process_image(flat), trace["made_v17_flat"])
    frame = np.full((210, 160, 3), 60, dtype=np.uint8)
    frame[0, 0], frame[209, 159] = 0, 255
    tracer = MotionTracer(frame)
    states = [tracer.get_state()]
    for j, more in enumerate((19, 20, 21, 22, 0, 40, 0, 0), start=1):
        image = frame.copy()
        image[20:60, 20:60] = 60 + more
        image[100:140, 10 * j : 10 * j + 20] = 200
        tracer.process(image)
        states.append(tracer.get_state())
    assert np.array_equal(states, trace["tracer_v17_state"])


def test_the_authors_network_is_that_of_the_trace():
    trace, about = arrays("hvass/net"), meta("hvass/net")["cases"]["small"]["inputs"]
    height, width, channels = about["state"]
    network = Network(about["actions"], (height, width))
    names = NeuralNetwork(about["actions"], (height, width, channels))
    parameters = list(network.parameters())
    for own, values in zip(parameters, tensors(names, about["salt"]).values(), strict=True):
        with torch.no_grad():
            own.copy_(torch.from_numpy(values).permute(*_OURS[values.ndim]))
    for u, lr in enumerate(about["lr"]):
        n = height * width * channels
        flat = mix(np.arange(about["batch"] * n), about["salt"] + 50 + u % 3) >> 24
        states = flat.astype(np.uint8).reshape(-1, height, width, channels)
        b, a = np.mgrid[: about["batch"], : about["actions"]]
        loss = network.update(states, ((7 * b + 3 * a + 5 * u) % 11 - 5) * 0.2, lr)
        assert loss == pytest.approx(trace["small_loss"][u], rel=1e-5)
    for t, parameter in enumerate(parameters):
        values = parameter.detach().permute(*_THEIRS[parameter.ndim]).numpy()
        np.testing.assert_allclose(
            probes(values, t), trace["small_w_probes"][-1][t], rtol=1e-5, atol=1e-5
        )


_OURS = {1: (0,), 2: (1, 0), 4: (3, 2, 0, 1)}
_THEIRS = {1: (0,), 2: (1, 0), 4: (2, 3, 1, 0)}
"""From TensorFlow's layouts to PyTorch's, and back."""
