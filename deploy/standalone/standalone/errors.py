"""What the command line tells its user: each error is one sentence that says what to do, never a stack trace."""


class Refusal(Exception):
    """Stave cannot do what was asked; the message is for the person who asked."""
