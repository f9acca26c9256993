"""What can be wrong with a request to the customer service."""

from chassis.errors import Conflict, NotFound


class CustomerDoesNotExist(NotFound):
    """There is no such customer, or the customer was erased."""

    code = "customer_does_not_exist"
    title = "Customer does not exist"


class MergeDoesNotExist(NotFound):
    """There is no such merge."""

    code = "merge_does_not_exist"
    title = "Merge does not exist"


class CannotMerge(Conflict):
    """These two profiles cannot be merged."""

    code = "cannot_merge"
    title = "The profiles cannot be merged"


class CannotUndoMerge(Conflict):
    """The merge cannot be undone, or not yet."""

    code = "cannot_undo_merge"
    title = "The merge cannot be undone"
