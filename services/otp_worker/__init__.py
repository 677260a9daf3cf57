"""Decides: is this code right; may this login pass.
Listens to: its request lane and its commands; password changes, policy changes, sandbox clocks.
Says: what became of logins, challenges, factors, backup codes and trusted devices; codes and notices to the notifier.
Owns: the schema ``otp``.
"""
