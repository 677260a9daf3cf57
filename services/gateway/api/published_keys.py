"""The keys that assertions are checked with, as a JSON Web Key Set (RFC 7517; Ed25519: RFC 8037)."""

import base64

from aiohttp import web

from services.gateway.api.call import DEPS
from services.gateway.queries.assertion_keys import AssertionKey, assertion_keys

MAX_AGE = 60  # seconds; a new key is published before anything is signed with it


async def jwks(request: web.Request) -> web.Response:
    """All keys that may have signed something that is still good."""
    async with request.app[DEPS].database.transaction() as conn:
        keys = await assertion_keys(conn)
    headers = {"Cache-Control": f"public, max-age={MAX_AGE}"}
    return web.json_response({"keys": [_jwk(key) for key in keys]}, headers=headers)


def _jwk(key: AssertionKey) -> dict[str, str]:
    public = base64.urlsafe_b64encode(key.public_key).decode().rstrip("=")
    return {"kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": key.key_id, "x": public}
