"""Every parameter of every task: its help, how it is written, and what hangs on it."""

from __future__ import annotations

import luigi
import pytest
from luigi.parameter import ParameterException

import pipelines
from pipelines import EvaluateAgent, Suite, TrainAgent, ValidateRom
from pipelines.parameters import SetParameter, WordsParameter
from pipelines.train_agent import memory_gb
from tests.cli.running import write_toy

TASKS = [getattr(pipelines, name) for name in pipelines.__all__]
PARAMETERS = [(task, name, param) for task in TASKS for name, param in task.get_params()]


def test_the_walk_meets_every_task():
    names = {"ValidateRom", "TrainAgent", "EvaluateAgent", "ExportHistory", "Report"}
    assert {task.__name__ for task in TASKS} == names | {"TrainEvalReport", "Suite", "Compare"}
    assert len(PARAMETERS) > 60


@pytest.mark.parametrize(
    ("task", "name", "param"),
    PARAMETERS,
    ids=[f"{task.__name__}-{name}" for task, name, _ in PARAMETERS],
)
def test_every_parameter_has_help(task, name, param):
    assert param.description.strip().endswith("."), (task, name)
    # What changes no number is no part of a task's identity.
    assert param.significant == (
        name
        not in (
            "out",
            "threads",
            "name",
            "checkpoint",
            "checkpoint_every",
            "keep_checkpoint",
            "trust",
        )
    )


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.__name__)
def test_every_task_says_what_it_does(task):
    assert task.__doc__.strip().endswith(".")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", ()),
        ("seed=2", ("seed=2",)),
        ("agent_params.input_dims=[3,10,10]", ("agent_params.input_dims=[3,10,10]",)),
        ('["seed=2", "agent_params.lr=0.001"]', ("seed=2", "agent_params.lr=0.001")),
    ],
)
def test_assignments(text, value):
    param = SetParameter(default=())
    assert param.parse(text) == value
    assert param.normalize(param.parse(param.serialize(value))) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", ()),
        ("1", (1,)),
        ("1, 2", (1, 2)),
        ("[1, 2]", (1, 2)),
        ("1-3", (1, 2, 3)),
        ("-1, 4-5,9", (-1, 4, 5, 9)),
    ],
)
def test_lists(text, value):
    param = WordsParameter(kind=int, default=())
    assert param.parse(text) == value
    assert param.normalize(param.parse(param.serialize(value))) == value


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("threads", "two", "a whole number"),
        ("episodes", "1.5", "a whole number"),
        ("epsilon", "0,1", "a number"),
        ("clip", "maybe", "true or false"),
        ("set", "[seed=2", "KEY=VALUE or a JSON list of them"),
        ("games", "[pong", "words with commas between"),
        ("seeds", "1,x", "whole numbers such as 1,2,3 or 1-3"),
        ("seeds", "3-1", "whole numbers such as 1,2,3 or 1-3"),
        ("seeds", "0-10000", "whole numbers such as 1,2,3 or 1-3"),
        ("evaluation_seeds", "[1, 2.5]", "whole numbers such as 1,2,3 or 1-3"),
    ],
)
def test_what_cannot_be_read_is_told_with_its_name(name, text, expected):
    with pytest.raises(ParameterException) as caught:
        dict(Suite.get_params())[name].parse(text)
    flag = "--" + name.replace("_", "-")
    assert str(caught.value) == f"{flag}: expected {expected}, got '{text}'"


def test_tasks_come_back_from_what_the_scheduler_keeps(tmp_path):
    task = Suite(
        args_file=str(write_toy(tmp_path)),
        set=("seed=3", "agent_params.input_dims=[3,10,10]"),
        games=("toyB", "toyC"),
        seeds=(1, 2),
        clip=False,
        evaluation_seeds=(4, 5),
    )
    back = luigi.task_register.load_task("pipelines", "Suite", task.to_str_params())
    assert back.task_id == task.task_id
    assert back.folder == task.folder
    assert [run.task_id for run in back.requires()] == [run.task_id for run in task.requires()]


def test_where_the_results_lie_and_threads_do_not_change_a_task(tmp_path):
    args = str(write_toy(tmp_path))
    one = EvaluateAgent(args_file=args, out="here", threads=1)
    assert one.task_id == EvaluateAgent(args_file=args, out="there", threads=2).task_id
    assert one.task_id != EvaluateAgent(args_file=args, epsilon=0.1).task_id


def test_a_training_on_cuda_asks_for_a_gpu(tmp_path):
    args = str(write_toy(tmp_path))
    assert TrainAgent(args_file=args, device="cpu").process_resources() == {}
    assert TrainAgent(args_file=args, device="cuda:1").process_resources() == {"gpu": 1}
    assert ValidateRom(args_file=args, device="cuda").process_resources() == {}
    assert TrainAgent(args_file=str(tmp_path / "none.json")).process_resources() == {}


def test_memory_is_asked_for_where_the_configuration_tells_it(tmp_path):
    task = TrainAgent(args_file="legacy_args/pong.json", device="cpu")
    assert memory_gb(task.facts) == 8
    assert task.process_resources() == {}
    config = luigi.configuration.get_config()
    config.set("resources", "memory_gb", "64")
    try:
        assert task.process_resources() == {"memory_gb": 8}
        config.set("resources", "memory_gb", "7")
        assert task.process_resources() == {"memory_gb": 7}
    finally:
        config.remove_option("resources", "memory_gb")
