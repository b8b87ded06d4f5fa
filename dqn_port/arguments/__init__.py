"""Options from argument files, words and flags, and what makes two runs the same."""
