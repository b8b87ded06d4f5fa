"""Refuse options that contradict each other, or need too much memory, before a run begins."""

from __future__ import annotations

from dqn_port.errors import ArgsError
from dqn_port.systems.lua_dqn.options import Options


def check_numbers(opt: Options) -> None:
    """Refuse numbers that contradict each other.

    Raises:
        ArgsError: min_reward is above max_reward.
    """
    params = opt.agent_params
    low, high = params.get("min_reward"), params.get("max_reward")
    if low is not None and high is not None and low > high:
        raise ArgsError(f"agent_params.min_reward: expected at most max_reward ({high}), got {low}")


def check_learning_start(opt: Options) -> None:
    """Refuse options with which the original fails when learning starts.

    Raises:
        ArgsError: a size does not fit bufferSize, or an evaluation would come too early.
    """
    params = opt.agent_params
    learn_start, buffer_size = params["learn_start"], params["bufferSize"]
    for key in ("minibatch_size", "valid_size"):
        if params[key] >= buffer_size:
            raise ArgsError(
                f"agent_params.{key}: expected below bufferSize ({buffer_size}), "
                f"got {params[key]}; lower it or raise bufferSize"
            )
    if opt.steps <= learn_start:
        return
    if learn_start + 1 < buffer_size:
        raise ArgsError(
            f"agent_params.learn_start: expected at least bufferSize − 1 = {buffer_size - 1}, "
            f"got {learn_start}: the sampling buffer is filled from the first transitions; "
            "raise it or lower bufferSize"
        )
    if params["replay_memory"] < buffer_size:
        raise ArgsError(
            f"agent_params.replay_memory: expected at least bufferSize ({buffer_size}), "
            f"got {params['replay_memory']}"
        )
    if (learn_start + 1) % opt.eval_freq == 0:
        raise ArgsError(
            f"eval_freq: expected not to divide learn_start + 1 = {learn_start + 1}, got "
            f"{opt.eval_freq}: that evaluation would come before the validation sample is drawn"
        )


def check_history(opt: Options, recent_mem_size: int) -> None:
    """Refuse a history of more frames than the replay holds when learning starts.

    Raises:
        ArgsError: a state spans more frames.
    """
    held = min(opt.agent_params["learn_start"] + 1, opt.agent_params["replay_memory"])
    if opt.steps > opt.agent_params["learn_start"] and held < recent_mem_size + 2:
        raise ArgsError(
            f"agent_params.hist_len: expected states of at most {held - 2} steps, "
            f"as learn_start and replay_memory are, got {recent_mem_size} (histType, histSpacing); "
            "lower it or raise learn_start"
        )
