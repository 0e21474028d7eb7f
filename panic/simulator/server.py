"""The house on a socket."""

import asyncio
import ssl

from aiohttp import web


class Server:
    """Serves an application until it is stopped."""

    def __init__(self, host: str, port: int, context: ssl.SSLContext | None) -> None:
        self._address, self._context = (host, port), context
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        """Where it listens."""
        if self._runner is None or not self._runner.addresses:
            raise RuntimeError("the simulator is not running")
        host, port = self._runner.addresses[0][:2]
        scheme = "http" if self._context is None else "https"
        return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"

    async def start(self, app: web.Application) -> None:
        """Bind and begin."""
        app.on_shutdown.append(self._hang_up)
        runner = self._runner = web.AppRunner(
            app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1
        )
        await runner.setup()
        try:
            # A firm opens hundreds of connections at once; a full backlog would cost it a second each.
            await web.TCPSite(runner, *self._address, ssl_context=self._context, backlog=4096).start()
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Drop every connection and end, whatever is under way."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
            await asyncio.sleep(0)  # the transports report their end in the next turn of the loop

    async def _hang_up(self, _: web.Application) -> None:
        server = self._runner.server if self._runner else None
        for connection in server.connections if server else ():
            if connection.transport is not None:
                connection.transport.abort()
        await asyncio.sleep(0)
