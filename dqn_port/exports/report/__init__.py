"""Reports: one HTML file that needs nothing else, of a run, of many, or of a network."""

from dqn_port.exports.report.diagnosis_page import write_diagnosis
from dqn_port.exports.report.page import write_report
from dqn_port.exports.report.suite import suite_scores, write_suite_report

__all__ = ["suite_scores", "write_diagnosis", "write_report", "write_suite_report"]
