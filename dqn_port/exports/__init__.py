"""Export the histories of runs to files for other programs."""
