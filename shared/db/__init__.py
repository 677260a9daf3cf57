"""PostgreSQL: one role's pool, the unit of work with its outbox and inbox, locks, answers, migrations."""
