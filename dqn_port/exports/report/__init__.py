"""Reports: one HTML file that needs nothing else, of a run or of many."""

from dqn_port.exports.report.page import write_report
from dqn_port.exports.report.suite import suite_scores, write_suite_report

__all__ = ["suite_scores", "write_report", "write_suite_report"]
