"""Any environment of gymnasium with discrete actions, by its id."""
