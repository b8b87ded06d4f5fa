"""Frames to images, the trace, signals: numbers by hand."""

from __future__ import annotations

import numpy as np
import pytest

from dqn_port.systems.hvass16.linear_control_signal import LinearControlSignal
from dqn_port.systems.hvass16.motion_tracer import MotionTracer
from dqn_port.systems.hvass16.preprocessing import pre_process_image, rgb_to_grayscale, stretch


def gray(columns):
    """Return a frame of 210×160 that is gray, with a value a column."""
    return np.repeat(np.repeat(np.array(columns)[None, :, None], 210, 0), 3, 2).astype(np.uint8)


def test_gray():
    assert rgb_to_grayscale(np.array([[[10, 20, 30]]], np.uint8))[0, 0] == 2.99 + 11.74 + 3.42


def test_the_stretch_depends_on_the_frame():
    np.testing.assert_array_equal(stretch(np.array([[10.0, 20.0, 60.0]])), [[0, 51, 255]])
    np.testing.assert_array_equal(stretch(np.array([[10.0, 20.0, 110.0]])), [[0, 26, 255]])
    np.testing.assert_array_equal(stretch(np.full((2, 2), 77.0)), np.zeros((2, 2)))


def test_the_taps_of_both_revisions():
    """An edge at column 80, half a frame of 0 and half of 255."""
    edge = gray([0] * 80 + [255] * 80)
    # v17: the last columns before the edge see taps −9 −3 and −3, 29, the first after it the rest.
    small = pre_process_image(edge, "v17")
    assert small.dtype == np.uint8
    weights = [-3, -9, 29, 111, 111, 29, -9, -3]
    expected = [round(255 * sum(weights[8 - n :]) / 256) for n in (1, 3, 5, 7)]
    np.testing.assert_array_equal(small[50, 38:42], np.clip(expected, 0, 255))
    small = pre_process_image(edge, "v20")
    assert small.dtype == np.float32
    np.testing.assert_allclose(small[50, 38:42], [0, 255 / 8, 255 * 7 / 8, 255], atol=1e-4)


def test_v20_does_not_stretch():
    np.testing.assert_allclose(pre_process_image(gray([100] * 160), "v20"), 100.0, atol=1e-4)


@pytest.mark.parametrize(("change", "moved"), [(20, 0), (21, 255), (-21, 255), (-20, 0)])
def test_a_pixel_moves_by_more_than_twenty(change, moved):
    image = np.full((2, 2), 100, np.uint8)
    tracer = MotionTracer(image, lambda frame: frame)
    tracer.process((image.astype(int) + change).astype(np.uint8))
    assert (tracer.last_output == moved).all()


def test_a_trace_fades_as_a_float_and_is_cut_to_bytes():
    images = [np.full((1, 1), value, np.uint8) for value in (0, 90, 90, 90, 90, 0)]
    tracer = MotionTracer(images[0], lambda frame: frame)
    states = [tracer.get_state()[0, 0].tolist()]
    for image in images[1:]:
        tracer.process(image)
        states.append(tracer.get_state()[0, 0].tolist())
    assert states == [[0, 0], [90, 255], [90, 191], [90, 143], [90, 107], [0, 255]]
    assert tracer.get_state().dtype == np.uint8


def test_a_signal_by_hand():
    signal = LinearControlSignal(1.0, 0.5, 4)
    values = [signal.get_value(i) for i in (0, 1, 3, 4, 99)]
    assert values == [1.0, 0.875, 0.625, 0.5, 0.5]
    again = LinearControlSignal(1.0, 0.5, 4, repeat=True)
    assert [again.get_value(i) for i in (3, 4, 5)] == [0.625, 1.0, 0.875]
