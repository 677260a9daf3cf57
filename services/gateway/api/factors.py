"""Factors, backup codes and trusted devices of an account."""

from services.gateway.api.admin_bodies import SetUpBody
from services.gateway.api.auth import KeyScope, forbids
from services.gateway.api.bodies import ConfirmBody, Empty, ProofBody, ProofQuery, RenameBody
from services.gateway.api.call import Call, Nothing, Outcome, Said
from services.gateway.api.cursors import page
from services.gateway.problems import Problem
from services.gateway.prompt.authenticator import authenticator_setup
from shared.contracts.commands import (
    AcknowledgeBackupCodes,
    ConfirmEnrolment,
    ReadSecurity,
    RegenerateBackupCodes,
    RenameFactor,
    RevokeFactor,
    RevokeTrustedDevices,
    SendEnrolmentCode,
    StartEnrolment,
)
from shared.contracts.replies import TotpSetup
from shared.contracts.types import ChallengeId, Contact, DeviceId, FactorId, FactorType


async def enrol(call: Call[SetUpBody, Nothing]) -> Outcome:
    """A pending factor; an authenticator's seed is shown with it, to scan or to type."""
    scope = KeyScope.FACTORS_WRITE if call.body.actor is None else KeyScope.ADMIN
    if (problem := forbids((scope,), call.caller)) is not None:
        return problem
    destination = await _destination(call)
    if isinstance(destination, Problem):
        return destination
    said = await call.ask(
        StartEnrolment(
            factor_type=call.body.type,
            name=call.body.name,
            destination=destination,
            proof=ChallengeId(call.body.proof) if call.body.proof else None,
            replaces=FactorId(call.body.replaces) if call.body.replaces else None,
            acting=call.body.acting(),
            reason=call.body.reason,
        ),
        account_id=call.account_id,
        actor=call.body.actor,
    )
    if isinstance(said, Problem):
        return said
    totp = said.data.get("totp")
    if totp is None:
        return said
    return Said({**said.data, "totp": await authenticator_setup(TotpSetup.model_validate(totp))})


async def _destination(call: Call[SetUpBody, Nothing]) -> Contact | Problem | None:
    text = call.body.destination
    match call.body.type:
        case _ if text is None:
            return None
        case FactorType.EMAIL:
            return call.deps.contacts.email(call.tenant_id, call.account_id, text, pointer="/destination")
        case FactorType.SMS:
            contacts = await call.contacts()
            return contacts.phone(
                call.tenant_id, call.account_id, text, pointer="/destination", is_sandbox=call.caller.is_sandbox
            )
        case FactorType.TOTP:
            return None


async def confirm(call: Call[ConfirmBody, Nothing]) -> Outcome:
    """The first right code makes a pending factor active."""
    code = call.seal_typed(call.path["factor_id"].lower(), "code", call.body.code.strip())
    command = ConfirmEnrolment(factor_id=FactorId(call.id("factor_id")), code=code)
    return await call.ask(command, account_id=call.account_id)


async def send(call: Call[Empty, Nothing]) -> Outcome:
    """Another code that proves a pending factor."""
    return await call.ask(SendEnrolmentCode(factor_id=FactorId(call.id("factor_id"))), account_id=call.account_id)


async def rename(call: Call[RenameBody, Nothing]) -> Outcome:
    """Another name."""
    command = RenameFactor(factor_id=FactorId(call.id("factor_id")), name=call.body.name)
    return await call.ask(command, account_id=call.account_id)


async def revoke(call: Call[Nothing, ProofQuery]) -> Outcome:
    """Remove a factor."""
    proof = ChallengeId(call.query.proof) if call.query.proof else None
    command = RevokeFactor(factor_id=FactorId(call.id("factor_id")), proof=proof)
    return await call.ask(command, account_id=call.account_id)


async def list_factors(call: Call[Nothing, Nothing]) -> Outcome:
    """All of them."""
    return await _part(call, "factors")


async def list_devices(call: Call[Nothing, Nothing]) -> Outcome:
    """Devices that are trusted now."""
    return await _part(call, "trusted_devices")


async def _part(call: Call[Nothing, Nothing], name: str) -> Outcome:
    said = await call.ask(ReadSecurity(), account_id=call.account_id)
    return Said(page(said.data[name])) if isinstance(said, Said) else said


async def regenerate_backup_codes(call: Call[ProofBody, Nothing]) -> Outcome:
    """Ten new ones; those before are void."""
    proof = ChallengeId(call.body.proof) if call.body.proof else None
    return await call.ask(RegenerateBackupCodes(proof=proof), account_id=call.account_id)


async def acknowledge_backup_codes(call: Call[Empty, Nothing]) -> Outcome:
    """The person says: I saved them."""
    return await call.ask(AcknowledgeBackupCodes(), account_id=call.account_id)


async def distrust_all(call: Call[Nothing, Nothing]) -> Outcome:
    """End the trust of every device."""
    return await call.ask(RevokeTrustedDevices(), account_id=call.account_id)


async def distrust(call: Call[Nothing, Nothing]) -> Outcome:
    """End the trust of one device."""
    command = RevokeTrustedDevices(device_id=DeviceId(call.id("device_id")))
    return await call.ask(command, account_id=call.account_id)
