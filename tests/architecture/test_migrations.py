"""Migrations are plain SQL, forward only, in an order that two branches cannot disagree about."""

import re

import pytest

from shared.db.migrate import Migration, migrations

_ALL = migrations()
_TABLE = re.compile(r"CREATE (?:UNLOGGED )?TABLE (?:IF NOT EXISTS )?([a-z_]+\.[a-z_]+) \((.*?)\n\)", re.DOTALL)
_WORDS_OF_A_REASON = 5

# Tables that cross tenants by nature: messages in transit, which hold nothing in clear.
_IN_TRANSIT = {"bus.outbox", "bus.dead_letters"}


def test_numbers_have_no_twin() -> None:
    """Two files of one number would be applied in an order that nobody chose. Gaps are the room of parallel work."""
    numbers = [int(each.name[:4]) for each in _ALL]
    assert sorted(set(numbers)) == numbers


@pytest.mark.parametrize("migration", _ALL, ids=lambda each: each.name)
def test_a_migration_is_named_and_says_why(migration: Migration) -> None:
    """Whoever finds a table years later finds the reason on the first line."""
    assert re.fullmatch(r"\d{4}_[a-z][a-z0-9_]*", migration.name)
    first = migration.sql.splitlines()[0]
    assert first.startswith("-- ")
    assert len(first.split()) > _WORDS_OF_A_REASON


@pytest.mark.parametrize("migration", _ALL, ids=lambda each: each.name)
def test_a_migration_goes_forward_only(migration: Migration) -> None:
    """There is no way back from a dropped column; a table goes in a later release than the code that used it. An index
    that is dropped can be made again.
    """
    outside_functions = re.sub(r"\$\$.*?\$\$", "", migration.sql, flags=re.DOTALL)
    assert not re.search(
        r"^\s*(DROP(?! INDEX)|TRUNCATE|ROLLBACK|COMMIT|BEGIN)\b", outside_functions, flags=re.MULTILINE
    )


@pytest.mark.parametrize("migration", _ALL, ids=lambda each: each.name)
def test_what_is_made_belongs_to_the_owner(migration: Migration) -> None:
    """A table that the superuser owns has no forced row-level security for the views on it."""
    assert "SET ROLE deskfactor_owner;" in migration.sql


def test_every_table_of_tenants_is_isolated() -> None:
    """A forgotten policy shows every tenant's rows to a query that forgot its WHERE."""
    everything = "\n".join(each.sql for each in _ALL)
    tables = {
        name for name, columns in _TABLE.findall(everything) if re.search(r"^\s*tenant_id\s", columns, re.MULTILINE)
    }
    isolated = set(re.findall(r"CALL bus\.isolate_tenants\('([a-z_.]+)'", everything))
    assert tables - isolated == _IN_TRANSIT
    assert isolated <= tables
