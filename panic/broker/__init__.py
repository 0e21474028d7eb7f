"""The only door to the broker, and the only user of the aiohttp client; its exceptions stop here.

Import `client` by name: code that only needs outcomes must not load an HTTP client.
"""
