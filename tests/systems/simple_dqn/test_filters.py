"""Filters: guided backpropagation by hand, any history, and the page; the rest is in the traces."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch

from dqn_port.errors import UsageError
from dqn_port.systems.simple_dqn.deepqnetwork import DeepQNetwork
from dqn_port.systems.simple_dqn.filters import colours, find_filters, page
from dqn_port.systems.simple_dqn.system import SYSTEM
from tests.systems.simple_dqn.building import options, training


def network(**given):
    return DeepQNetwork(options(**given), 4).model


def test_a_filter_that_sees_one_pixel_shows_it():
    net = network(history_length=4)
    with torch.no_grad():
        net.operations["conv1"].weight.zero_()
        net.operations["conv1"].weight[0, 3, 2, 5] = 2.0
    states = np.zeros((3, 4, 36, 36), dtype=np.uint8)
    states[0, 3, 10, 13] = 100
    states[1, 3, 10, 13] = 200
    found = next(iter(find_filters(net, states, n=1, batch_size=2)))
    # Stride 4: the pixel is 2 rows and 5 columns into the position of row 2, column 2 of 8.
    assert (found.layer, found.batch, found.row, found.position) == ("0000", 0, 1, 2 * 8 + 2)
    assert found.activation == pytest.approx(2 * 200 / 255)
    assert np.argwhere(found.seen).tolist() == [[10, 13, 3]]
    assert found.seen[10, 13, 3] == 255


def test_the_layers_are_neons_flat_ones_and_batch_norm_is_left_out_on_the_way_back():
    states = np.random.RandomState(1).randint(0, 255, (5, 4, 36, 36)).astype(np.uint8)
    for batch_norm, layers in ((False, ["0000", "0002", "0004"]), (True, ["0000", "0003", "0006"])):
        net = network(batch_norm=batch_norm)
        found = list(find_filters(net, states, n=1, batch_size=4))
        assert [one.layer for one in found] == layers
    with torch.no_grad():
        net.norms["conv1"].gamma.fill_(5)
    again = next(iter(find_filters(net, states, n=1, batch_size=4)))
    np.testing.assert_array_equal(again.seen, found[0].seen)


def test_a_convolution_of_fewer_filters_shows_all_it_has():
    states = np.random.RandomState(1).randint(0, 255, (1, 4, 36, 36)).astype(np.uint8)
    found = list(find_filters(network(), states, n=64, batch_size=1))
    layers = [one.layer for one in found]
    assert [layers.count(layer) for layer in ("0000", "0002", "0004")] == [32, 64, 64]


def test_without_a_state_it_says_what_it_needs():
    # Users' case: "Collected 0 game states".
    with pytest.raises(UsageError) as caught:
        list(find_filters(network(), np.zeros((0, 4, 36, 36), np.uint8), n=1, batch_size=4))
    assert str(caught.value) == (
        "filters: expected at least one state, got none; play a game of one step or more"
    )


@pytest.mark.parametrize(
    ("channels", "expected"), [(1, (0, 0, 0)), (2, (0, 0, 1)), (4, (1, 2, 3)), (5, (2, 3, 4))]
)
def test_the_newest_screen_is_blue_for_any_history(channels, expected):
    image = np.arange(channels, dtype=np.uint8).reshape(1, 1, channels)
    assert tuple(colours(image)[0, 0]) == expected


@pytest.mark.parametrize("history_length", [1, 5])
def test_a_game_of_a_network_becomes_a_page_of_its_own(history_length, tmp_path):
    run = training(history_length=history_length, random_starts=6)
    text, said = SYSTEM.filters_page(_saved(run, tmp_path), seed=1)
    n = int(re.fullmatch(r"12 filters, by (\d+) states of one game; one state is enough", said)[1])
    assert f"x.safetensors, {n} states of toyA" in text
    assert "<title>Deconv Visualization</title>" in text
    assert re.findall(r"<h2>(\d{4})</h2>", text) == ["0000", "0002", "0004"]
    assert text.count("Feature Map ") == 12
    assert text.count("data:image/png;base64,") == 24
    assert "http" not in text


def _saved(run, folder):
    from dqn_port.saved_networks import save_networks

    path = folder / "x.safetensors"
    save_networks(path, run.networks(), system="simple_dqn", arguments=run.options, step=0)
    return path


def test_a_title_is_escaped():
    states = np.zeros((1, 4, 36, 36), dtype=np.uint8)
    found = list(find_filters(network(), states, n=1, batch_size=1))
    assert "&lt;b&gt;" in page(found, title="<b>")
