# SPDX-License-Identifier: GPL-2.0-only
"""The far end of `tests.clients.driver`: a client library in a Python of its own, told what to do over stdin.

One JSON object a line: `{"do": method, "with": [arguments]}` is answered by `{"ok": value}` or, when the
library raised, by `{"error": its traceback}`. Only the standard library is imported here: the
environments of the clients have nothing of ours.
"""

import json
import sys
import traceback
from typing import Any, NamedTuple


class Endpoint(NamedTuple):
    """What everybody gives a client: where the server is and who is asking; no keys for unsigned requests."""

    url: str
    region: str
    access_key: str | None
    secret_key: str | None


def serve(make: Any) -> None:
    """Make a client from the `Endpoint` in the first line and call its methods until stdin ends."""
    client: Any = None
    for line in sys.stdin:
        order = json.loads(line)
        try:
            if client is None:
                client = make(Endpoint(**order))
                value: Any = sorted(name for name in dir(client) if not name.startswith("_"))
            else:
                value = getattr(client, order["do"])(*order["with"])
            answer = {"ok": value}
        except Exception:  # noqa: BLE001 - whatever a library raises is its answer
            answer = {"error": traceback.format_exc()}
        print(json.dumps(answer), flush=True)
