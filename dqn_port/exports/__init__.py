"""What a run's histories become: files for other programs."""
