"""The program, as `atrous` and `python -m atrous` start it."""

import os
import signal


def main() -> None:
    """Runs the command line; an interruption while it is being loaded ends the process at once."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, lambda _number, _frame: os._exit(130))
    from atrous.cli import main as run

    run()


if __name__ == "__main__":
    main()
