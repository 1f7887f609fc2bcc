"""Errors that are the user's to mend: the message says what, where and what to do, in one sentence."""


class UserError(Exception):
    """Bad input or a missing thing. The command line prints it and exits with code 2; pages show it as it is."""
