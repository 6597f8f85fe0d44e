#!/usr/bin/env python
"""Django's command line for the forecourt console."""

import os
import sys


def main() -> None:
    """Run the command that the arguments name; say in a sentence what it cannot reach."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "console.settings")
    from django.core.management import execute_from_command_line

    from console.embedded.unreachable import explanation

    try:
        execute_from_command_line(sys.argv)
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        if told := explanation(error):
            sys.exit(told)
        raise


if __name__ == "__main__":
    main()
