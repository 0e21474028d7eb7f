"""The firm's accounts: the roster, the scope of a press, and the plan made of both."""
