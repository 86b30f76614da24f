"""HTTPS for an interface of ours: the same certificate as for SIP, and none asked of the client."""

from __future__ import annotations

from typing import Any, cast

from OpenSSL import SSL
from twisted.internet.interfaces import IOpenSSLServerConnectionCreator, IProtocolFactory
from twisted.protocols.tls import TLSMemoryBIOFactory, TLSMemoryBIOProtocol
from zope.interface import implementer

from sbc_sim.net.certificates import Credentials


@implementer(IOpenSSLServerConnectionCreator)
class HttpsConnections:
    """Makes the OpenSSL side of accepted connections, TLS 1.2 and up."""

    def __init__(self, credentials: Credentials) -> None:
        """Show these."""
        context = SSL.Context(SSL.TLS_SERVER_METHOD)
        context.set_min_proto_version(SSL.TLS1_2_VERSION)
        context.set_options(SSL.OP_NO_RENEGOTIATION | SSL.OP_NO_COMPRESSION)
        context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
        context.use_certificate(credentials.leaf)
        for certificate in credentials.chain:
            context.add_extra_chain_cert(certificate)
        context.use_privatekey(credentials.key)
        self._context = context

    def serverConnectionForTLS(self, protocol: TLSMemoryBIOProtocol) -> SSL.Connection:
        """Twisted asks for one connection."""
        connection = SSL.Connection(self._context, None)
        connection.set_app_data(protocol)
        return connection


def https_factory(site: Any, credentials: Credentials) -> TLSMemoryBIOFactory:
    """Wrap the factory of an HTTP interface."""
    return TLSMemoryBIOFactory(cast(Any, HttpsConnections(credentials)), False, cast(IProtocolFactory, site))
