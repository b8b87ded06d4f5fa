"""The stages of the loop that ``dqn-port bench --profile`` times."""

from __future__ import annotations

from typing import Final

STAGES: Final = (
    ("emulation", "env.emulator", ("act", "get_screen", "reset_game", "lives")),
    ("environment", "env", ("step", "new_game", "next_random_game")),
    ("preproc", "agent", ("preprocess",)),
    ("acting: choosing", "agent", ("e_greedy", "choose_greedily")),
    ("acting: recent state", "agent.transitions", ("get_recent",)),
    ("acting: network", "agent.network", ("forward",)),
    ("replay: adding", "agent.transitions", ("add", "add_recent_state")),
    ("replay: sampling", "agent.transitions", ("sample", "fill_buffer")),
    ("update: target forward", "agent.target_network", ("forward",)),
    ("update: forward", "agent.network", ("forward_for_update",)),
    ("update: backward", "agent.network", ("backward",)),
    ("update: rmsprop", "agent.optimiser", ("step",)),
    ("update: copying to the target", "agent.target_network", ("copy_from",)),
    ("update: errors and the rest", "agent", ("q_learn_minibatch", "learn", "get_q_update")),
    ("agent: the rest", "agent", ("perceive", "sample_validation_data")),
    ("loop: the rest", "training", ("tick",)),
    ("loop: the rest", "_evaluation", ("tick",)),
)
"""(stage, whose methods, their names); what an object lacks is left out."""
