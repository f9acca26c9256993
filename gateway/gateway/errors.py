"""What can go wrong at the door, as facts with a code that callers may build on."""

from chassis.errors import (
    BadRequest,
    Conflict,
    Forbidden,
    NotFound,
    Problem,
    TooLarge,
    TooManyRequests,
    Unauthorized,
    Unavailable,
)


class NoSuchPath(NotFound):
    """No service answers this path."""

    code, title = "no_such_path", "Nothing answers this path"


class KeyRequired(Unauthorized):
    """The request carries no usable key."""

    code, title = "key_required", "An API key is needed"

    def __init__(self, detail: str) -> None:
        # RFC 6750 §3: without credentials the challenge carries no error code.
        super().__init__(detail, headers={"WWW-Authenticate": 'Bearer realm="stave"'})


class KeyRefused(Unauthorized):
    """The key is unknown, revoked or expired; which of them is not said."""

    code, title = "key_refused", "This API key is not accepted"

    def __init__(self, detail: str) -> None:
        super().__init__(detail, headers={"WWW-Authenticate": 'Bearer realm="stave", error="invalid_token"'})


class KeysCannotBeChecked(Unavailable):
    """The keys cannot be read, and an old copy of them is not trusted for long."""

    code, title = "keys_cannot_be_checked", "Keys cannot be checked at the moment"


class ScopeNotHeld(Forbidden):
    """Nobody gives, or takes away, more than they may do themselves."""

    code, title = "scope_not_held", "The caller lacks a scope of that key"


class KeyDoesNotExist(NotFound):
    """There is no such key."""

    code, title = "key_does_not_exist", "There is no such key"


class LastAdminKey(Conflict):
    """Revoking this key would lock everybody out."""

    code, title = "last_admin_key", "This is the last key with scope admin"


class RateLimited(TooManyRequests):
    """The caller's bucket is empty."""

    code, title = "rate_limited", "Too many requests"


class Overloaded(Unavailable):
    """More requests are being answered than the gateway admits at one time."""

    code, title = "overloaded", "The platform is busy"


class BodyTooLarge(TooLarge):
    """The request's body is over the cap."""

    code, title = "body_too_large", "The request body is too large"


class DeadlineExceeded(Problem):
    """The service did not begin its answer in time."""

    status, code, title = 504, "deadline_exceeded", "The service took too long"


class ServiceUnreachable(Unavailable):
    """A service cannot be reached."""

    code, title = "service_unreachable", "A service cannot be reached"


class ServiceFailed(Problem):
    """A service broke off before it answered."""

    status, code, title = 502, "service_failed", "A service failed to answer"


class JobDoesNotExist(NotFound):
    """No service knows this job."""

    code, title = "job_does_not_exist", "There is no such job"


class DeadLetterDoesNotExist(NotFound):
    """No service knows this dead letter."""

    code, title = "dead_letter_does_not_exist", "There is no such dead letter"


class UnknownService(BadRequest):
    """`service=` names no service."""

    code, title = "unknown_service", "There is no such service"


class AuditIsFull(Unavailable):
    """Writes wait for the audit trail to be written."""

    code, title = "audit_is_full", "Writes are refused until the audit trail can be written"
