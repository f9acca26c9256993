"""What can be wrong with a request to this service, as problems with stable codes."""

from chassis.errors import BadRequest, Invalid, NotFound, TooLarge, Unavailable


class InvalidInteraction(Invalid):
    """One or more fields of an interaction cannot be accepted; `errors` points at each."""

    code, title = "invalid_interaction", "The interaction is not valid"


class MalformedInteraction(BadRequest):
    """The body of one interaction is not JSON."""

    code, title = "malformed_json", "The interaction is not JSON"


class InteractionTooLarge(TooLarge):
    """One interaction has more than 64 kB."""

    code, title = "interaction_too_large", "The interaction is larger than 64 kB"


class BatchTooLarge(TooLarge):
    """More interactions, or more bytes, than one bulk request may have."""

    code, title = "batch_too_large", "The batch is too large"


class InteractionDoesNotExist(NotFound):
    """No interaction has this id."""

    code, title = "interaction_does_not_exist", "There is no such interaction"


class CustomerDoesNotExist(NotFound):
    """Neither a profile nor an interaction is known of this customer."""

    code, title = "customer_does_not_exist", "There is no such customer"


class WriterIsBusy(Unavailable):
    """More writes are waiting than the writer may hold."""

    code, title = "writer_is_busy", "Too many interactions are waiting to be written"

    def __init__(self) -> None:
        super().__init__("Nothing was recorded. Send it again in a second.", headers={"Retry-After": "1"})
