"""``python -m services.policy`` answers and listens, ``python -m services.policy timers`` fires timers; any number."""

import sys

from services.policy.app import serve, serve_timers
from services.policy.settings import PolicySettings
from shared.process import main

if __name__ == "__main__":
    match sys.argv[1:]:
        case []:
            main(serve, PolicySettings, name="policy")
        case ["timers"]:
            main(serve_timers, PolicySettings, name="policy")
        case _:
            sys.exit("usage: python -m services.policy [timers]")
