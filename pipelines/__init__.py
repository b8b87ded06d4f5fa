"""Luigi pipelines from a ROM to a report: one task per file, and a base task that owns the paths.

``luigi --module pipelines TrainEvalReport --args-file FILE --local-scheduler``; docs/pipelines.md.
"""

from pipelines.compare import Compare
from pipelines.configuration import take_shipped
from pipelines.evaluate_agent import EvaluateAgent
from pipelines.export_history import ExportHistory
from pipelines.logs import install
from pipelines.report import Report
from pipelines.suite import Suite
from pipelines.train_agent import TrainAgent
from pipelines.train_eval_report import TrainEvalReport
from pipelines.validate_rom import ValidateRom

__all__ = [
    "Compare",
    "EvaluateAgent",
    "ExportHistory",
    "Report",
    "Suite",
    "TrainAgent",
    "TrainEvalReport",
    "ValidateRom",
]

install()
take_shipped()
