"""The certificate that new callers meet, renewed while the service runs: those of today live for weeks."""

import asyncio
import ssl
from collections.abc import Callable
from typing import Final

import structlog

from panic.config import Service
from panic.kit.background import wait
from panic.kit.errors import ConfigurationError
from panic.service.standby.files import Stamp, settled, stamp_of
from panic.service.tls import server_context

log = structlog.get_logger()

EVERY_S: Final = 10.0
_WITHIN_S: Final = 5.0


class Certificate:
    """Certificate, key and callers' authorities as their files are, or were when they could last be used.

    What is wrong with files that cannot be used is a problem of readiness, which looks at them as well.
    Raises ConfigurationError where they cannot be used at the start.
    """

    def __init__(self, service: Service, *, every_s: float = EVERY_S) -> None:
        self._service, self._every_s = service, every_s
        self._stamps: list[Stamp | None] = []
        self.context = self._look()
        self.renewed: Callable[[ssl.SSLContext], None] = lambda _: None

    async def follow(self) -> None:
        """Look at the files for ever; there is nothing to do where there is no TLS."""
        while self.context is not None:
            await asyncio.sleep(self._every_s)
            await self.renew()

    async def renew(self) -> None:
        """Look at the files now; if they have changed, new callers meet what they hold."""
        try:
            context = await wait(self._look, _WITHIN_S, "certificate")
        except (ConfigurationError, TimeoutError, RuntimeError) as error:  # a renewal may be half done
            log.warning("certificate_not_renewed", error=type(error).__name__)
            return
        if context is not None and self.context is not None:
            self.context = context
            self.renewed(context)
            log.info("certificate_renewed")

    def _look(self) -> ssl.SSLContext | None:
        service = self._service
        files = (service.tls_certificate, service.tls_key, service.tls_client_ca)
        stamps = [stamp_of(file) for file in files if file is not None]
        if stamps == self._stamps:
            return None
        context = server_context(service)
        self._stamps = [settled(one) for one in stamps]
        return context
