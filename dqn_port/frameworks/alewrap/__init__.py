"""Framework ``alewrap``: Atari games through ale-py, as the original's alewrap played them."""
