"""The control room: a web page of the service, for people. Who may use it, what it is told, and its files."""
