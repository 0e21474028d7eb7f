"""The only door to the broker, and the only user of the aiohttp client; its exceptions stop here.

`client` is to be imported by name: what only reads outcomes must not load an HTTP client.
"""
