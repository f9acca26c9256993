"""What endpoints ask for: a session whose type says what it may do, the caller, the service's own parts."""

from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import Depends, Request
from sqlalchemy.ext.asyncio import AsyncSession

from chassis.database import AsyncReadSession
from chassis.errors import MissingScope, Unauthorized
from chassis.idempotency import claim
from chassis.identity import HEADER, Identity, IdentityRefused, IdentityVerifier
from chassis.service import Service


def service_of(request: Request) -> Service:
    """The service that answers."""
    service: Service = request.app.state.service
    return service


async def parts_of(request: Request) -> Any:
    """The service's own parts; services annotate it with their type."""
    return service_of(request).parts


async def caller_identity(request: Request) -> Identity:
    """The caller, as the gateway vouches for it; 401 when nobody does."""
    token = request.headers.get(HEADER)
    if token is None:
        raise Unauthorized("Call the gateway: a service answers only callers the gateway vouches for.")
    verifier: IdentityVerifier = request.app.state.verifier
    try:
        identity = verifier.verify(token)
    except IdentityRefused as error:
        raise Unauthorized("The gateway's token is not valid any more, or never was.") from error
    request.state.identity = identity
    return identity


CallerIdentity = Annotated[Identity, Depends(caller_identity)]


class RequiredScopes:
    """A dependency that lets pass who holds every one of the scopes."""

    def __init__(self, scopes: frozenset[str]) -> None:
        self.scopes = scopes

    async def __call__(self, identity: CallerIdentity) -> Identity:
        """The caller, if allowed; 403 otherwise."""
        missing = sorted(scope for scope in self.scopes if not identity.may(scope))
        if missing:
            raise MissingScope(f"This needs the scope {' and '.join(missing)}.")
        return identity


def requires(*scopes: str) -> Any:
    """`dependencies=[requires("customers:read")]`: every route names its scopes; none: any known caller."""
    return Depends(RequiredScopes(frozenset(scopes)))


async def read_session(request: Request) -> AsyncIterator[AsyncReadSession]:
    """A session for reading."""
    async with service_of(request).database.read() as session:
        yield session


async def write_session(request: Request) -> AsyncIterator[AsyncSession]:
    """The request's one transaction; an `Idempotency-Key` is claimed in it."""
    async with service_of(request).database.write() as session:
        identity: Identity | None = getattr(request.state, "identity", None)
        request.state.claim = await claim(request, session, subject=identity.subject if identity else "")
        yield session


ReadSession = Annotated[AsyncReadSession, Depends(read_session)]
# Function scope ends before the answer is sent: a plain `yield` dependency commits after the client has its 201, and a
# failing commit would then have lied (https://fastapi.tiangolo.com/tutorial/dependencies/dependencies-with-yield/).
WriteSession = Annotated[AsyncSession, Depends(write_session, scope="function")]
