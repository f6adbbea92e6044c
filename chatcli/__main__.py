"""`python -m chatcli` is `chatcli`."""

from __future__ import annotations

import sys

from chatcli.cli import main

sys.exit(main())
