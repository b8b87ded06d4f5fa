"""A network is written to checkpoints when it has changed, and read from older ones, too."""

from __future__ import annotations

import itertools

from dqn_port.events import Ticked
from dqn_port.runs.checkpoint import Checkpoints
from dqn_port.runs.run import Run
from dqn_port.systems.hvass16.system import SYSTEM
from tests.systems.hvass16.building import frozen, options, run, same, told, training


def test_a_network_is_written_when_it_has_changed_and_comes_back(tmp_path):
    opt = options()
    made, checkpoints, seen = training(opt), Checkpoints(tmp_path), []
    while not made.done and len(seen) < 16:
        checkpoints.save(made.state_dict(), step=made.step, rings=made.rings())
        other = training(opt)
        found, tree = Checkpoints(tmp_path).load(max(checkpoints.serials()), other.rings())
        seen.append((made.network.updates, found.of("network")))
        assert "network" not in tree
        other.load_state_dict(tree)
        assert same(made.network.arrays(), other.network.arrays())
        assert same(frozen(other.state_dict()), frozen(made.state_dict()))
        for _ in range(8):
            events = made.tick()
            assert told(other.tick()) == told(events)
    for (updates, before), (later, after) in itertools.pairwise(seen):
        assert (before == after) == (updates == later)
    assert len({updates for updates, _ in seen}) > 2
    assert len(seen) > len({updates for updates, _ in seen})


def test_a_state_of_older_checkpoints_has_the_network_in_it(tmp_path):
    opt = options()
    made = training(opt)
    while not made.network.updates:
        made.tick()
    state, states = frozen(made.state_dict()), made.rings()["states"]
    del state["network_added"]
    state["network"] = frozen(made.network.arrays())
    old = training(opt)
    old.memory.states[:] = made.memory.states
    old.load_state_dict(state)
    assert set(old.rings()) == {"states"}
    assert old.rings()["states"].added == states.added
    # Until it changes it stays in the state.
    assert same(frozen(old.state_dict())["network"], state["network"])
    rest = told(run(made))
    updates = old.network.updates
    assert told(run(old)) == rest
    assert old.network.updates > updates
    assert set(old.rings()) == {"network", "states"}
    assert "network" not in old.state_dict()
    assert same(old.network.arrays(), made.network.arrays())


def test_the_file_of_networks_is_written_when_they_have_changed(tmp_path):
    a_run = Run(SYSTEM, options(name="small"), tmp_path, checkpoint="full", checkpoint_every=1e9)
    written = {}
    for event in a_run.train():
        made = a_run._training
        if isinstance(event, Ticked) and made is not None and made.step % 5 == 0:
            a_run.save_checkpoint()
            assert a_run.last_snapshot is not None
            file = a_run.last_snapshot.stat()
            written.setdefault(made.network.updates, set()).add((file.st_ino, file.st_mtime_ns))
    assert len(written) > 2
    assert all(len(files) == 1 for files in written.values())
    assert len(set.union(*written.values())) == len(written)
