"""simple_dqn, Tambet Matiisen's DQN in Python 2 on Neon."""
