"""The parts of every slot by name, imported on first use.

A new part is a new file in a slot and a line here; ``my_pkg.module:object`` is a name, too.
"""

from __future__ import annotations

import importlib
import re
from typing import Any, Final

from dqn_port.errors import RegistryError, near_match
from dqn_port.external import import_object, place_of

PARTS: Final[dict[str, dict[str, str]]] = {
    "framework": {
        "alewrap": "dqn_port.systems.lua_dqn.frameworks:AleFramework",
        "toyfw": "dqn_port.systems.lua_dqn.frameworks:ToyFramework",
    },
    "preproc": {
        "net_downsample_2x_full_y": (
            "dqn_port.systems.lua_dqn.preprocs.net_downsample_2x_full_y:NetDownsample2xFullY"
        ),
        "preproc_toy": "dqn_port.systems.lua_dqn.preprocs.preproc_toy:PreprocToy",
    },
    "network": {
        "convnet_atari3": "dqn_port.systems.lua_dqn.networks.convnet_atari3:convnet_atari3",
        "convnet_small": "dqn_port.systems.lua_dqn.networks.convnet_small:convnet_small",
        "net_small": "dqn_port.systems.lua_dqn.networks.toy:net_small",
        "net_toy_conv": "dqn_port.systems.lua_dqn.networks.toy:net_toy_conv",
        "net_toy_mlp": "dqn_port.systems.lua_dqn.networks.toy:net_toy_mlp",
        "net_tie": "dqn_port.systems.lua_dqn.networks.toy:net_tie",
    },
    "replay": {
        "TransitionTable": "dqn_port.systems.lua_dqn.transition_table:TransitionTable",
    },
    "agent": {
        "NeuralQLearner": "dqn_port.systems.lua_dqn.neural_q_learner:NeuralQLearner",
    },
    "saved network": {
        "nn.Sequential": "dqn_port.systems.lua_dqn.networks.sequential:from_lua",
    },
}
"""Slot → name → module:object."""

_NEEDED: Final[dict[str, tuple[str, ...]]] = {
    "framework": ("check", "make", "ENV_PARAMS", "POOL_PARAMS"),
    "preproc": ("state_dim", "forward"),
    "network": (),
    "replay": ("PARAMS", "from_params", "bytes_per_transition"),
    "agent": ("PARAMS", "perceive"),
    "saved network": (),
}
"""Attributes that a part of a slot must have."""

_MODULE_OBJECT: Final = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


def find(slot: str, name: str) -> Any:
    """Return the part of ``slot`` with this name.

    Raises:
        RegistryError: no part has that name, or the module:object cannot be imported.
    """
    parts = PARTS[slot]
    if name in parts:
        module, _, attribute = parts[name].partition(":")
        return getattr(importlib.import_module(module), attribute)
    if _MODULE_OBJECT.fullmatch(name):
        part = import_object(slot, name)
        missing = [what for what in _NEEDED[slot] if not hasattr(part, what)]
        if missing or not (slot == "framework" or callable(part)):
            raise RegistryError(
                f"{slot}: expected a part with {', '.join(_NEEDED[slot]) or 'a call'}, "
                f"got '{name}' without {', '.join(missing) or 'it'} ({place_of(name)}); "
                "docs/systems.md says more"
            )
        return part
    raise RegistryError(
        f"{slot}: expected one of {', '.join(parts)} or module:object, "
        f"got '{name}'{near_match(name, parts)}"
    )
