"""ExportHistory: a run's histories and its evaluation's episodes as HDF5."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pipelines.made import MadeTask


class ExportHistory(MadeTask):
    """Write a run's histories and its evaluation to an HDF5 file."""

    def files(self) -> Sequence[Path]:
        """Return the HDF5 file."""
        return [self.folder / f"history-{self.evaluation_hash}.h5"]

    def write(self, files: Sequence[Path]) -> None:
        """Write the file."""
        # HDF5 is imported only here.
        from dqn_port.exports.hdf5 import export_hdf5

        export_hdf5(files[0], [self.record()])
