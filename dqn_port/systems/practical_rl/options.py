"""The homework's numbers, by the names of the notebook's variables, and ours."""

from __future__ import annotations

from typing import Final

from dqn_port.options import Param
from dqn_port.systems.practical_rl.dqn_agent import ARCHITECTURES

_HOMEWORK: Final = (
    Param(name="seed", kind="integer", role="seed", low=0, high=2**32 - 1,
          meaning="seeds random, np.random, torch and CartPole; with seed_clips_rewards it also "
          "decides whether a game's rewards are clipped", default_is="drawn, and written down"),
    Param(name="timesteps_per_epoch", kind="integer", default=1, low=1, high=10**6,
          meaning="steps played before each update", unit="agent steps"),
    Param(name="batch_size", kind="integer", default=16, low=1, high=10**5,
          meaning="transitions per update", unit="transitions"),
    Param(name="total_steps", kind="integer", default=3 * 10**6, low=0, high=10**12,
          role="length", changes="length",
          meaning="number of the last step; steps count from 0", unit="updates"),
    Param(name="decay_steps", kind="integer", default=10**6, low=1, high=10**12,
          meaning="time over which ε falls", unit="updates"),
    Param(name="init_epsilon", kind="number", default=1, low=0, high=1, meaning="ε at the start"),
    Param(name="final_epsilon", kind="number", default=0.1, low=0, high=1, meaning="ε at the end"),
    Param(name="loss_freq", kind="integer", default=50, low=1, high=10**12,
          meaning="updates between recorded losses", unit="updates"),
    Param(name="refresh_target_network_freq", kind="integer", default=5000, low=1, high=10**12,
          meaning="updates between copies to the target network", unit="updates"),
    Param(name="eval_freq", kind="integer", default=5000, low=1, high=10**12,
          meaning="updates between evaluations", unit="updates"),
    Param(name="max_grad_norm", kind="number", default=50, low=0,
          meaning="norm to which larger gradients are clipped"),
    Param(name="n_lives", kind="integer", default=5, low=1, high=1000,
          meaning="lives in a game; an evaluation plays three times as many", unit="lives"),
    Param(name="n_steps", kind="integer", default=100, low=1, high=10**9,
          meaning="steps per call of the fill",
          unit="agent steps"),
    Param(name="buffer_size", kind="integer", default=10**4, low=1, high=10**8,
          meaning="size of the replay buffer; the fill stops when it is full", unit="transitions"),
    Param(name="learning_rate", kind="number", default=1e-4, low=0, meaning="Adam's"),
    Param(name="gamma", kind="number", default=0.99, low=0, high=1, meaning="discount per step"),
    Param(name="t_max", kind="integer", default=10**4, low=1, high=10**9,
          meaning="limit of an evaluation's life or episode", unit="agent steps"),
)  # fmt: skip

_BLANKS: Final = (
    Param(name="double", kind="boolean", default=False,
          meaning="take the target network's value of the network's best action as V(s')"),
    Param(name="dueling", kind="boolean", default=False,
          meaning="compute values as V(s) + A(s, a) − mean A(s, ·)"),
    Param(name="architecture", kind="string", choices=ARCHITECTURES, default=None,
          default_is="dense for vectors, nature for 84×84, else homework",
          meaning="layers: dense: 128, 128; homework: 16, 32, 64 filters and 256; nature: 32, 64, "
          "64 filters and 512, dueling with gradients divided by √2"),
)  # fmt: skip

_ENVIRONMENT: Final = (
    Param(name="environment", kind="string", role="game", default="BreakoutNoFrameskip-v4",
          meaning="CartPole-v1 (gym 0.17.2's, without a time limit), toyA, an Atari game's "
          "…NoFrameskip-v4, or gymnasium:ID"),
    Param(name="game_path", kind="string", default="", changes="nothing",
          meaning="folder with the ROMs; empty: ale-py's"),
    Param(name="max_game_frames", kind="integer", default=400_000, low=0, high=10**7,
          meaning="a NoFrameskip game is truncated this long after its reset; 0: no limit",
          unit="emulator frames"),
    Param(name="frame_skip", kind="integer", low=1, high=1000,
          default_is="4 for a NoFrameskip game and toyA, else 1",
          meaning="MaxAndSkipEnv: frames an action is played for", unit="emulator frames"),
    Param(name="episodic_life", kind="boolean", default_is="true for a NoFrameskip game and toyA",
          meaning="EpisodicLifeEnv: losing a life ends the episode, not the game"),
    Param(name="fire_reset", kind="boolean",
          default_is="true for a NoFrameskip game and toyA, where action 1 is FIRE",
          meaning="FireResetEnv: FIRE and action 2 begin an episode"),
    Param(name="clip_rewards", kind="boolean", default_is="true for a NoFrameskip game and toyA",
          meaning="ClipRewardEnv: rewards are learnt as −1, 0, 1"),
    Param(name="seed_clips_rewards", kind="boolean", default=True,
          meaning="quirk: make_env(seed) passes the seed as clip_rewards, so seed 0 trains on "
          "unclipped rewards; false: any seed clips"),
    Param(name="preprocess", kind="string", choices=("crop64", "gray64", "gray84", "none"),
          default_is="crop64 for Atari's pictures, gray64 for others",
          meaning="crop64: rows 32 to 191, columns 8 to 151, gray (0.8, 0.1, 0.1), 64×64 floats; "
          "gray64: the whole picture, 64×64; gray84: gymnasium's AtariPreprocessing, bytes"),
    Param(name="n_frames", kind="integer", low=1, high=64, default_is="4 for pictures, else 1",
          meaning="FrameBuffer: frames in a state", unit="frames"),
    Param(name="oldest_first", kind="boolean", default=False,
          meaning="FrameBuffer: in the order of gymnasium's FrameStackObservation, and filled with "
          "the first frame at a reset"),
)  # fmt: skip

_OURS: Final = (
    Param(name="fill_calls", kind="integer", default=100, low=1, high=10**9,
          meaning="most calls of the fill, of n_steps steps each", unit="calls"),
    Param(name="stale_first_state", kind="boolean", default=True,
          meaning="quirk: every call of the fill starts from the run's first state; false: from "
          "where the last one ended"),
    Param(name="bootstrap_at", kind="string", choices=("done", "terminated"), default="done",
          meaning="V(s') counts as 0 after: every done, or only a termination"),
    Param(name="adam_eps", kind="number", default=1e-8, low=0, meaning="Adam's ε"),
)  # fmt: skip

OPTIONS: Final = (*_HOMEWORK, *_BLANKS, *_ENVIRONMENT, *_OURS)
