def replay(*a): raise NotImplementedError
