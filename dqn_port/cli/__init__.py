"""The click commands: thin functions that call the library and print."""
