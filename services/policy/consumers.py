"""Which message is whose."""

from services.policy.deps import Deps
from services.policy.handlers import (
    accounts,
    clock,
    disputes,
    enforcement,
    factors,
    individual,
    policies,
    recovery,
    recovery_timers,
    report_pages,
    reports,
    requirement,
)
from shared.contracts import commands, events
from shared.messaging.handler_table import HandlerTable, on
from shared.messaging.topology import POLICY_COMMANDS, POLICY_REQUESTS

TABLE: HandlerTable[Deps] = HandlerTable(
    on(POLICY_REQUESTS, commands.PutAccount, accounts.put_account),
    on(POLICY_REQUESTS, commands.ReadAccount, accounts.read_account),
    on(POLICY_REQUESTS, commands.ListAccounts, accounts.list_accounts),
    on(POLICY_REQUESTS, commands.PutPolicy, policies.put_policy),
    on(POLICY_REQUESTS, commands.ReadPolicy, policies.read_policy_of_tenant),
    on(POLICY_REQUESTS, commands.Unlock, enforcement.unlock),
    on(POLICY_REQUESTS, commands.ChangeEnforcement, individual.change_enforcement),
    on(POLICY_REQUESTS, commands.ClearEnforcement, individual.clear_enforcement),
    on(POLICY_REQUESTS, commands.StartRecovery, recovery.start_recovery),
    on(POLICY_REQUESTS, commands.ReadRecovery, recovery.read_recovery),
    on(POLICY_REQUESTS, commands.CancelRecovery, recovery.cancel_by_request),
    on(POLICY_REQUESTS, commands.DenyRecovery, recovery.deny_recovery),
    on(POLICY_REQUESTS, commands.StartReport, reports.start_report),
    on(POLICY_REQUESTS, commands.ReadReport, reports.read_report),
    on(POLICY_REQUESTS, commands.OpenReport, reports.open_report),
    on(POLICY_REQUESTS, commands.ReadReportChunk, reports.read_report_chunk),
    on(POLICY_REQUESTS, commands.MoveClock, clock.move_clock),
    on(POLICY_COMMANDS, commands.PutAccount, accounts.put_account),
    on(POLICY_COMMANDS, commands.RecordPasswordChange, accounts.record_change_of_password),
    on(POLICY_COMMANDS, commands.ProveMailbox, accounts.record_mailbox_proof),
    on(POLICY_COMMANDS, commands.AnnounceRequirement, requirement.announce_requirement),
    on(POLICY_COMMANDS, commands.RemindOfEnforcement, enforcement.remind_of_enforcement),
    on(POLICY_COMMANDS, commands.LockOutAccount, enforcement.lock_out_account),
    on(POLICY_COMMANDS, commands.ReviewEnforcement, requirement.review_enforcement),
    on(POLICY_COMMANDS, commands.RemindOfRecovery, recovery_timers.remind_of_recovery),
    on(POLICY_COMMANDS, commands.FinishRecovery, recovery_timers.finish_recovery),
    on(POLICY_COMMANDS, commands.ExpireRecovery, recovery_timers.expire_recovery),
    on(POLICY_COMMANDS, commands.ConcludeRecovery, recovery_timers.conclude_recovery),
    on(POLICY_COMMANDS, commands.WriteReportPage, report_pages.write_report_page),
    on(POLICY_COMMANDS, commands.ExpireReport, reports.expire_report),
    on(POLICY_COMMANDS, events.AccountReset, factors.account_was_reset),
    on(POLICY_COMMANDS, events.FactorConfirmed, factors.factor_confirmed),
    on(POLICY_COMMANDS, events.FactorRevoked, factors.factor_revoked),
    on(POLICY_COMMANDS, events.ChallengeVerified, factors.challenge_verified),
    on(POLICY_COMMANDS, events.NoticeDisputed, disputes.notice_disputed),
    on(POLICY_COMMANDS, events.NotificationSent, recovery_timers.notice_was_sent),
)
