"""The click commands, thin: every one calls the library and prints."""
