"""Run the command line as ``python -m dqn_port``."""

from dqn_port.cli.main import main

main()
