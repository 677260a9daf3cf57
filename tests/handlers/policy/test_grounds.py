"""Why an account is asked for a second factor: said with the start and with the lock, where somebody looks for it."""

from shared.contracts import events
from shared.contracts.commands import ChangeEnforcement, EraseAccount, PutPolicy, ReadPolicy
from shared.contracts.policy import Policy, Requirement, Scope
from shared.contracts.types import Acting, RequirementKind, Role
from shared.messaging.bus import Reply
from shared.messaging.topology import POLICY_REQUESTS
from tests.handlers.policy.conftest import ANN, DAY, EVERYBODY, Service

BOB = "bob"
AGENTS = EVERYBODY.model_copy(update={"required": Requirement(scope=Scope.ROLES, roles=(Role.AGENT,))})


async def save(service: Service, policy: Policy, admin: str) -> None:
    """A policy, by an admin of the tenant."""
    asked = PutPolicy(policy=policy, acting=Acting(actor=admin), is_forced=True)
    assert isinstance(await service.hand(POLICY_REQUESTS, service.envelope(asked, None, actor=f"admin:{admin}")), Reply)
    await service.run()


async def test_a_start_and_a_lock_name_the_policy_and_who_saved_it(service: Service) -> None:
    """`Why was this account locked on Tuesday` ends with a version, a person and an instant."""
    await service.put(BOB, role="admin")
    await service.put(role="agent")
    await save(service, AGENTS, BOB)
    await service.move(8 * DAY)
    [started] = [each for each in await service.said(events.EnforcementStarted) if each.account_id == ANN]
    [locked] = [each for each in await service.said(events.EnforcementLockedOut) if each.account_id == ANN]
    [saved] = await service.said(events.PolicyChanged)
    for data in (started.data, locked.data):
        assert (data.requirement, data.role) == (RequirementKind.ROLE, Role.AGENT)
        assert (data.policy_version, data.policy_saved_by) == (1, f"admin:{BOB}")
        assert data.policy_saved_at == data.since == saved.time
    assert locked.data.deadline == started.data.deadline


async def test_a_requirement_of_one_account_is_told_from_everybodys(service: Service) -> None:
    """Two accounts, two reasons; the default policy was saved by nobody."""
    await service.put()
    alone = ChangeEnforcement(given=("required",), required=True, reason="handles payments")
    await service.ask(alone)
    await service.run()
    [first] = await service.said(events.EnforcementStarted)
    assert (first.data.requirement, first.data.role) == (RequirementKind.INDIVIDUAL, None)
    assert (first.data.policy_version, first.data.policy_saved_by, first.data.policy_saved_at) == (0, None, None)
    assert first.data.since == first.time
    await service.put(BOB)
    await service.require(EVERYBODY)
    said = {each.account_id: each.data for each in await service.said(events.EnforcementStarted)}
    assert said[BOB].requirement is RequirementKind.ALL


async def test_who_saved_the_policy_is_forgotten_with_the_account(service: Service) -> None:
    """The policy stays; the name of an admin who has left does not."""
    await service.put(BOB, role="admin")
    await save(service, AGENTS, BOB)
    await service.ask(EraseAccount(), BOB)
    left = await service.admin.fetchval("SELECT saved_by FROM policy.policies WHERE tenant_id = $1", service.tenant_id)
    assert left is None
    assert (await service.ask(ReadPolicy(), None))["version"] == 1
