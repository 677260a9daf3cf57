"""A login whose code goes by mail: `POST /v1/logins`, the mail in a server's hands, `…/verify`."""

from collections.abc import AsyncIterator

from tests.bench.case import Case, Scene
from tests.bench.crowd import gather
from tests.bench.figures import Figures
from tests.bench.load import drive
from tests.bench.mailboxes import by_mail, give_mailboxes, settings_of
from tests.bench.slow_mail_server import MailServer
from tests.bench.targets import at_least, at_most
from tests.bench.usage import Meter
from tests.bench.verify import at

FULL = {8: 2_000, 64: 6_000}  # operations by how many are in flight
WARM_UP = 300


async def measure(scene: Scene) -> AsyncIterator[Figures]:
    """A few in flight, then many."""
    servers, warm_up = scene.servers, scene.size(WARM_UP, least=8)
    counts = {in_flight: scene.size(full, least=16) for in_flight, full in FULL.items()}
    scene.tell("enrolling people")
    crowd = await gather(servers.dsn, servers.key_dir, sum(counts.values()) + warm_up)
    await give_mailboxes(servers.dsn, servers.key_dir, crowd, crowd.members)
    async with MailServer().open() as mail, servers.stack(extra=settings_of(mail)) as stack:
        meter, supply = Meter(servers, stack.pids()), iter(crowd.members)
        await drive(stack.urls, [by_mail(crowd, next(supply), mail) for _ in range(warm_up)], in_flight=8)
        for in_flight, count in counts.items():
            scene.tell(at(in_flight))
            operations = [by_mail(crowd, next(supply), mail) for _ in range(count)]
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
