"""One table, one owner: a service's SQL names its own schema, the bus, and the views that others publish."""

import re

import pytest

from tests.architecture.source import ROOT, SERVICES, here, python_files, sql_texts

_SCHEMAS = "gateway|otp|policy|notifier|audit"
_OWN = {"gateway": "gateway", "otp_worker": "otp", "policy": "policy", "notifier": "notifier", "audit": "audit"}
_PUBLISHED = {
    "policy.erased_accounts",
    "policy.login_facts",
    "policy.open_recoveries",
    "policy.clocks",
    "policy.tenant_now",
    "gateway.tenant_profiles",
    "gateway.tenants_at_work",
    "otp.account_facts",
    "otp.factor_contacts",
    "otp.factor_usage",
    "otp.step_ups",
    "otp.assertion_keys",
}
_RELATION = re.compile(rf"(?<![\w.])(?:{_SCHEMAS})\.[a-z_]+")
_AS_SCHEMA = re.compile(r"\b(?:FROM|JOIN|INTO|UPDATE|TABLE|ONLY|,)\s+\(?\s*((?:[a-z_]+\.)?[a-z_]+)", re.IGNORECASE)
_WHERE_SQL_LIVES = {"queries", "verification.py"}


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_names_what_is_its_own_or_published(service: str) -> None:
    """Whoever reads another's table is broken by that one's next migration, and holds its locks meanwhile."""
    strange = [
        f"{here(path, node)} {relation}"
        for path in python_files(f"services/{service}")
        for node, text in sql_texts(path)
        for relation in _RELATION.findall(text)
        if not relation.startswith(f"{_OWN[service]}.") and relation not in _PUBLISHED
    ]
    assert strange == []


def test_what_is_published_is_in_the_document() -> None:
    """Whoever changes a view looks there for those who may be reading it."""
    text = (ROOT / "docs/architecture.md").read_text()
    assert [name for name in sorted(_PUBLISHED) if f"`{name}`" not in text] == []


@pytest.mark.parametrize("service", SERVICES)
def test_sql_is_written_in_queries_only(service: str) -> None:
    """One function, one statement, one place to look: a handler that reads like a sentence has no SQL in it."""
    elsewhere = [
        here(path, node)
        for path in python_files(f"services/{service}")
        if not _WHERE_SQL_LIVES & set(path.parts)
        for node, text in sql_texts(path)
        if _AS_SCHEMA.search(text) and _RELATION.search(text)
    ]
    assert elsewhere == []


def test_columns_are_listed() -> None:
    """`SELECT *` from a table changes its meaning with every migration, while the old version still runs."""
    stars = [
        here(path, node)
        for path in python_files("services", "shared")
        for node, text in sql_texts(path)
        if re.search(r"SELECT\s+(\w+\.)?\*\s+FROM\s+[a-z_]+\.[a-z_]+\s*(?!\()\b", text)
    ]
    assert stars == []
