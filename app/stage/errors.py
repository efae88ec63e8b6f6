"""What can go wrong while setting the stage; the texts are meant for the person at the terminal."""


class StageError(Exception):
    """The stage cannot be set; the message says what to do."""
