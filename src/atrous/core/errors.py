"""Errors a user can act on."""


class AtrousError(Exception):
    """Something the user can mend.

    The message says what was expected, what came, where, and how to mend it; the command line
    prints it without a traceback.
    """


class InvalidError(AtrousError, ValueError):
    """A record whose values do not go together, told in the words of whoever asked for them."""
