"""People whose factor is a mailbox, and the login whose code comes there: of the cases `mailed_code` and `peer`."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import asyncpg

from services.gateway.api.contacts import Contacts
from services.gateway.problems import Problem
from shared.crypto.keyring import load_ring
from tests.bench.crowd import Crowd, Member
from tests.bench.load import Operation
from tests.bench.login import start
from tests.bench.slow_mail_server import MailServer
from tests.bench.verify import verify
from tests.bench.wire import Connection


def address_of(member: Member) -> str:
    """Where somebody's codes go."""
    return f"{member.account_id}@bench.example"


def settings_of(mail: MailServer) -> Mapping[str, str]:
    """What the notifier needs to hand its mails to this server."""
    return {
        "DESKFACTOR_SMTP_HOST": "127.0.0.1",
        "DESKFACTOR_SMTP_PORT": str(mail.port),
        "DESKFACTOR_SMTP_TLS": "none",
    }


async def give_mailboxes(dsn: str, key_dir: Path, crowd: Crowd, members: Sequence[Member]) -> None:
    """These people's factor becomes a verified mailbox."""
    contacts = Contacts(destinations=load_ring(key_dir, "seal.notifier"), digests=load_ring(key_dir, "digest.gateway"))
    rows = []
    for member in members:
        contact = contacts.email(crowd.tenant_id, member.account_id, address_of(member), pointer="")
        if isinstance(contact, Problem):
            raise TypeError(contact)
        rows.append((crowd.tenant_id, member.factor_id, contact.sealed, contact.masked, contact.digest))
    conn = await asyncpg.connect(dsn)
    try:
        await conn.executemany(
            """
            UPDATE otp.factors
               SET type = 'email', seed = NULL, contact_sealed = $3, contact_masked = $4, contact_digest = $5
             WHERE tenant_id = $1 AND factor_id = $2
            """,
            rows,
        )
        await conn.execute("VACUUM ANALYZE otp.factors", timeout=600)
    finally:
        await conn.close()


def by_mail(crowd: Crowd, member: Member, mail: MailServer) -> Operation:
    """The whole round trip of one person."""

    async def operation(connection: Connection) -> None:
        coming = mail.expect(address_of(member))
        challenge = await start(connection, crowd.api_key, member.account_id)
        await verify(connection, crowd.api_key, challenge["id"], await mail.code_of(coming))

    return operation
