"""What a call to a hook proves, says and sets off; what carries it over HTTP is breaches.

signatures   who sent it            taken     whether it was taken before
bodies       what it says           keyring   the secrets, read again while the service runs
decisions    what follows from it
"""
