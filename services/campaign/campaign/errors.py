"""What can go wrong that a caller should hear of by name."""

from chassis.errors import Conflict, Invalid, NotFound


class OfferDoesNotExist(NotFound):
    """No offer has this key."""

    code = "offer_does_not_exist"


class OfferExists(Conflict):
    """The key belongs to another offer."""

    code = "offer_exists"


class PlaybookDoesNotExist(NotFound):
    """No playbook has this id."""

    code = "playbook_does_not_exist"


class InvalidOffer(Invalid):
    """An offer that could never be used."""

    code = "invalid_offer"


class InvalidPlaybook(Invalid):
    """A playbook that could never act as meant."""

    code = "invalid_playbook"


class DecisionDoesNotExist(NotFound):
    """No decision has this id."""

    code = "decision_does_not_exist"


class CallTaskDoesNotExist(NotFound):
    """No call has this id."""

    code = "call_task_does_not_exist"


class CallTaskIsDone(Conflict):
    """The call was completed before."""

    code = "call_task_is_done"


class EndpointDoesNotExist(NotFound):
    """No endpoint of this caller has this id."""

    code = "webhook_endpoint_does_not_exist"


class EndpointIsDisabled(Conflict):
    """The endpoint receives nothing until somebody enables it."""

    code = "webhook_endpoint_is_disabled"


class InvalidEndpoint(Invalid):
    """An address or an event type that cannot be used."""

    code = "invalid_webhook_endpoint"


class DeliveryDoesNotExist(NotFound):
    """No delivery of this caller has this id."""

    code = "delivery_does_not_exist"
