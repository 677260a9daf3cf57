"""Decides who must have a second factor, by when, and who gets back in; its timers announce what time has decided.

Listens to its requests and commands, to factors and challenges. Says what became of accounts, enforcement, recovery and
reports. Owns accounts, policies, enforcements, recovery requests, clocks, timers and reports.
"""
