"""A login whose code goes by mail: `POST /v1/logins`, the mail in a server's hands, `…/verify`."""

import functools
from collections.abc import AsyncIterator

from shared.secret import Secret
from tests.bench.case import Case, Scene
from tests.bench.crowd import Member, gather
from tests.bench.figures import Figures
from tests.bench.load import Operation, drive
from tests.bench.login import start
from tests.bench.mail_server import MailServer, open_mail_server
from tests.bench.targets import at_least, at_most
from tests.bench.usage import Meter
from tests.bench.verify import at, verify
from tests.bench.wire import Connection

FULL = {8: 2_000, 64: 6_000}  # operations by how many are in flight
WARM_UP = 300


def with_mail(mail: MailServer, api_key: Secret[str], member: Member) -> Operation:
    """One person, who has the mail open already."""

    async def operation(connection: Connection) -> None:
        challenge = await start(connection, api_key, member.account_id)
        await verify(connection, api_key, challenge["id"], await mail.code_for(member.address))

    return operation


async def measure(scene: Scene) -> AsyncIterator[Figures]:
    """A few in flight, then many."""
    servers, warm_up = scene.servers, scene.size(WARM_UP, least=8)
    counts = {in_flight: scene.size(full, least=16) for in_flight, full in FULL.items()}
    scene.tell("enrolling people")
    crowd = await gather(servers.dsn, servers.key_dir, sum(counts.values()) + warm_up, by_mail=True)
    async with open_mail_server() as mail:
        smtp = {"SMTP_HOST": "127.0.0.1", "SMTP_PORT": str(mail.port), "SMTP_TLS": "none"}
        async with servers.stack(extra={f"DESKFACTOR_{name}": value for name, value in smtp.items()}) as stack:
            meter, supply = Meter(servers, stack.pids()), iter(crowd.members)
            operation = functools.partial(with_mail, mail, crowd.api_key)
            await drive(stack.urls, [operation(next(supply)) for _ in range(warm_up)], in_flight=8)
            for in_flight, count in counts.items():
                scene.tell(at(in_flight))
                operations = [operation(next(supply)) for _ in range(count)]
                before = await meter.read()
                samples = await drive(stack.urls, operations, in_flight=in_flight)
                yield Figures.of("mailed_code", at(in_flight), samples, (await meter.read()).since(before))


CASE = Case(
    name="mailed_code",
    what="a login, its code in a mail server's hands, and the code typed",
    measure=measure,
    targets=(
        at_most(250, "ms", "p95 at 8 in flight", lambda run: run.value("mailed_code", at(8), "p95")),
        at_least(300, "a second", "rate at 64 in flight", lambda run: run.value("mailed_code", at(64), "rate")),
    ),
)
