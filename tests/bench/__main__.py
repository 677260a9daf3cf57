"""`python -m tests.bench`."""

import json
import sys
import tempfile
from pathlib import Path

import uvloop

from tests.bench import crowd
from tests.bench.rig import open_servers
from tests.bench.verify import measure


async def _run(operations: int) -> None:
    with tempfile.TemporaryDirectory(prefix="deskfactor-bench-") as folder:
        async with open_servers(Path(folder)) as servers:
            people = await crowd.gather(servers.dsn, servers.key_dir, operations * 7 + 2000)
            async with servers.stack() as stack:
                async for figures in measure(servers, stack, people, operations=operations):
                    print(json.dumps(figures.line()), flush=True)


if __name__ == "__main__":
    uvloop.run(_run(int(sys.argv[1]) if len(sys.argv) > 1 else 2000))
