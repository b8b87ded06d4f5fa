"""The homework's numbers, by the names of the notebook's variables, and ours."""

from __future__ import annotations

from typing import Final

from dqn_port.options import Param
from dqn_port.systems.practical_rl.dqn_agent import ARCHITECTURES

_HOMEWORK: Final = (
    Param(name="seed", kind="integer", role="seed", low=0, high=2**32 - 1,
          meaning="of random, np.random, torch and CartPole; of a game with seed_clips_rewards it "
          "says whether rewards are clipped", default_is="drawn, and written down"),
    Param(name="timesteps_per_epoch", kind="integer", default=1, low=1, high=10**6,
          meaning="played before an update", unit="agent steps"),
    Param(name="batch_size", kind="integer", default=16, low=1, high=10**5,
          meaning="learnt from in an update", unit="transitions"),
    Param(name="total_steps", kind="integer", default=3 * 10**6, low=0, high=10**12,
          role="length", changes="length",
          meaning="the last step's number; there is one more, step 0", unit="updates"),
    Param(name="decay_steps", kind="integer", default=10**6, low=1, high=10**12,
          meaning="over which ε falls", unit="updates"),
    Param(name="init_epsilon", kind="number", default=1, low=0, high=1, meaning="ε at first"),
    Param(name="final_epsilon", kind="number", default=0.1, low=0, high=1, meaning="ε at last"),
    Param(name="loss_freq", kind="integer", default=50, low=1, high=10**12,
          meaning="from one noted loss to the next", unit="updates"),
    Param(name="refresh_target_network_freq", kind="integer", default=5000, low=1, high=10**12,
          meaning="from one copy of the network to the next", unit="updates"),
    Param(name="eval_freq", kind="integer", default=5000, low=1, high=10**12,
          meaning="from one evaluation to the next", unit="updates"),
    Param(name="max_grad_norm", kind="number", default=50, low=0,
          meaning="to which gradients are shortened"),
    Param(name="n_lives", kind="integer", default=5, low=1, high=1000,
          meaning="a game has; an evaluation plays three times so many", unit="lives"),
    Param(name="n_steps", kind="integer", default=100, low=1, high=10**9,
          meaning="of one call of the fill, all calls from the run's first state",
          unit="agent steps"),
    Param(name="buffer_size", kind="integer", default=10**4, low=1, high=10**8,
          meaning="kept; the fill stops when there are as many", unit="transitions"),
    Param(name="learning_rate", kind="number", default=1e-4, low=0, meaning="Adam's"),
    Param(name="gamma", kind="number", default=0.99, low=0, high=1, meaning="discount of a step"),
    Param(name="t_max", kind="integer", default=10**4, low=1, high=10**9,
          meaning="of an evaluation's life or episode, at most", unit="agent steps"),
)  # fmt: skip

_BLANKS: Final = (
    Param(name="double", kind="boolean", default=False,
          meaning="whether V(s') is the target network's value of the network's best action"),
    Param(name="dueling", kind="boolean", default=False,
          meaning="whether values are V(s) + A(s, a) − mean A(s, ·)"),
    Param(name="architecture", kind="string", choices=ARCHITECTURES, default=None,
          default_is="dense for vectors, nature for 84×84, else homework",
          meaning="layers: dense: 128, 128; homework: 16, 32, 64 filters and 256; nature: 32, 64, "
          "64 filters and 512, dueling with gradients divided by √2"),
)  # fmt: skip

_ENVIRONMENT: Final = (
    Param(name="environment", kind="string", role="game", default="BreakoutNoFrameskip-v4",
          meaning="CartPole-v1 (gym 0.17.2's, without time limit), toyA, an Atari game's "
          "…NoFrameskip-v4, or gymnasium:ID"),
    Param(name="game_path", kind="string", default="", changes="nothing",
          meaning="folder of ROMs; empty: ale-py's"),
    Param(name="max_game_frames", kind="integer", default=400_000, low=0, high=10**7,
          meaning="of a NoFrameskip game since its reset, then it is truncated; 0: no limit",
          unit="emulator frames"),
    Param(name="frame_skip", kind="integer", low=1, high=1000,
          default_is="4 for a NoFrameskip game and toyA, else 1",
          meaning="MaxAndSkipEnv: frames an action is played for", unit="emulator frames"),
    Param(name="episodic_life", kind="boolean", default_is="true for a NoFrameskip game and toyA",
          meaning="EpisodicLifeEnv: a lost life ends an episode, and no game"),
    Param(name="fire_reset", kind="boolean",
          default_is="true for a NoFrameskip game and toyA, where action 1 is FIRE",
          meaning="FireResetEnv: FIRE and action 2 begin an episode"),
    Param(name="clip_rewards", kind="boolean", default_is="true for a NoFrameskip game and toyA",
          meaning="ClipRewardEnv: rewards are learnt as −1, 0, 1"),
    Param(name="seed_clips_rewards", kind="boolean", default=True,
          meaning="quirk: make_env(seed) hands the seed to clip_rewards, so that seed 0 trains on "
          "rewards as they are; false: any seed clips"),
    Param(name="preprocess", kind="string", choices=("crop64", "gray64", "gray84", "none"),
          default_is="crop64 for Atari's pictures, gray64 for others",
          meaning="crop64: rows 32 to 191, columns 8 to 151, gray (0.8, 0.1, 0.1), 64×64 floats; "
          "gray64: the whole picture, 64×64; gray84: gymnasium's AtariPreprocessing, bytes"),
    Param(name="n_frames", kind="integer", low=1, high=64, default_is="4 for pictures, else 1",
          meaning="FrameBuffer: frames of a state", unit="frames"),
    Param(name="oldest_first", kind="boolean", default=False,
          meaning="FrameBuffer: as gymnasium's FrameStackObservation, the first frame repeated"),
)  # fmt: skip

_OURS: Final = (
    Param(name="fill_calls", kind="integer", default=100, low=1, high=10**9,
          meaning="of the fill at most, n_steps steps each", unit="calls"),
    Param(name="stale_first_state", kind="boolean", default=True,
          meaning="quirk: every call of the fill begins from the run's first state; false: from "
          "where the last one ended"),
    Param(name="bootstrap_at", kind="string", choices=("done", "terminated"), default="done",
          meaning="what ends the value: every done, as given, or only what terminated"),
    Param(name="adam_eps", kind="number", default=1e-8, low=0, meaning="Adam's ε"),
)  # fmt: skip

OPTIONS: Final = (*_HOMEWORK, *_BLANKS, *_ENVIRONMENT, *_OURS)
