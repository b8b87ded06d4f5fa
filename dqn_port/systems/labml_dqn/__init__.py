"""labml's annotated DQN: prioritised, double, dueling, eight games at once."""
