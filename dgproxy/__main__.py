# SPDX-License-Identifier: GPL-2.0-only
"""`python -m dgproxy`, the same as the `deltaglider_proxy` command."""

from dgproxy.cli import main

if __name__ == "__main__":
    main(prog_name="python -m dgproxy")
