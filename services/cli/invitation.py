"""What somebody who wants to try it is told: where it is, a key, and lines to paste."""

from rich.console import Console
from rich.text import Text

from services.cli.demo.drawing import ON_DARK, draw_qr
from services.cli.demo.helpdesk import Helpdesk
from services.cli.development import Development
from services.cli.tenants import create_api_key, create_tenant, list_tenants
from shared.secret import Secret

NAME = "Example Helpdesk"
ACCOUNT = "you"

# Without `#`, which zsh does not take for a comment in what is typed.
_API = """\
api() { curl -sS -X "$1" "$URL/v1/$2" -H "Authorization: Bearer $KEY" \\
  -H "Idempotency-Key: $(date +%s)$RANDOM" \\
  -H 'Content-Type: application/json' ${3:+-d "$3"} |
  python3 -m json.tool --no-ensure-ascii; }"""
_CONFIRM = """api POST accounts/%s/factors/$FACTOR/confirm '{"code": "123456"}'"""
_LOGIN = """api POST logins '{"account_id": "%s", "first_factor": {"method": "password"}}'"""
_VERIFY = """api POST challenges/$CHALLENGE/verify '{"code": "123456"}'"""


async def sandbox_key(dsn: str, *, name: str) -> Secret[str]:
    """A new key of the sandbox tenant for whoever tries it out; the tenant is made when it is not there."""
    found = [each.tenant_id for each in await list_tenants(dsn) if each.is_sandbox and each.name == NAME]
    tenant_id = found[0] if found else await create_tenant(dsn, name=NAME, is_sandbox=True)
    return await create_api_key(dsn, tenant_id, name=name)


def show_addresses(console: Console, running: Development, key: Secret[str]) -> None:
    """Address and key, as variables of a shell, and a function that calls the API."""
    _paste(console, f"URL={running.url}\nKEY={key.reveal()}\n{_API}")


async def show_enrolment(console: Console, running: Development, key: Secret[str]) -> None:
    """Begin an enrolment, and show how a real authenticator finishes it. Raises `Unexpected`."""
    async with Helpdesk(running.url, key) as helpdesk:
        await helpdesk.call("PUT", f"/v1/accounts/{ACCOUNT}", {"role": "agent"})
        path = f"/v1/accounts/{ACCOUNT}/factors"
        enrolled = await helpdesk.call("POST", path, {"type": "totp", "name": "Your phone"}, expect=201)
    console.print("\n[bold]Your turn.[/bold] Scan this with an authenticator app, within 15 minutes:\n")
    for line in draw_qr(enrolled["totp"]["uri"]):
        console.print(Text.assemble("  ", (line, ON_DARK)))
    console.print(f"\n  or type it in: {enrolled['totp']['seed']}")
    console.print("\nPaste this into another terminal:\n")
    show_addresses(console, running, key)
    _paste(console, f"FACTOR={enrolled['factor']['id']}")
    console.print("\nWith the code that the app shows, the enrolment is done:\n")
    _paste(console, _CONFIRM % ACCOUNT)
    console.print("\nSign in; the answer has the id of a challenge, which takes the app's next code:\n")
    _paste(console, f"{_LOGIN % ACCOUNT}\nCHALLENGE=…\n{_VERIFY}")


def _paste(console: Console, text: str) -> None:
    """Lines as they are: a terminal may break them, we must not."""
    console.print(Text(text, style="cyan"), soft_wrap=True)
