"""Who must have a second factor, by when, and who gets back in; its timers announce what time has decided.

Decides: where an account stands with the policy; when a recovery is executed.
Listens to: its requests and commands; factors, challenges, notices, tenants.
Says: what became of accounts, enforcement, recovery and reports; notices to the notifier.
Owns: accounts, policies, enforcements, recovery requests, clocks, timers and reports (schema `policy`).
"""
