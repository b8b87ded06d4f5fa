"""The programs, each a folder that reads like its original; none imports another."""
