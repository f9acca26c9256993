"""What can go wrong here, as facts."""

from chassis.errors import Conflict, Invalid, NotFound


class CustomerDoesNotExist(NotFound):
    """Nobody is known by this id."""

    code, title = "customer_does_not_exist", "There is no such customer"


class AlertDoesNotExist(NotFound):
    """No alert has this id."""

    code, title = "alert_does_not_exist", "There is no such alert"


class ModelDoesNotExist(NotFound):
    """No model has this id."""

    code, title = "model_does_not_exist", "There is no such model"


class AlertIsClosed(Conflict):
    """The alert was dismissed or cleared."""

    code, title = "alert_is_closed", "The alert is closed"


class ModelIsNotTrainedHere(Invalid):
    """Models of such a kind come with a later version."""

    code, title = "model_not_offered", "This kind of model is not trained by this version"


class NotEnoughToLearnFrom(Exception):
    """Training was asked for and there is not enough of a past to learn from; the text says what is missing."""


class ModelFileRefused(Invalid):
    """The file is not a model signed with this installation's key."""

    code, title = "model_file_refused", "The file is not a model that this installation signed"
