"""What docker-compose.yml says exists in the code: nobody here can start it, so nothing in it may be a guess."""

import importlib.util
import json
import re
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import pytest
import yaml
from pydantic_settings import BaseSettings

from services.audit import app as audit
from services.audit.settings import AuditSettings
from services.cli.__main__ import application
from services.cli.moving import importing
from services.cli.settings import OperatorSettings
from services.gateway import app as gateway
from services.gateway.settings import GatewaySettings
from services.notifier import app as notifier
from services.notifier.settings import NotifierSettings
from services.otp_worker import app as otp_worker
from services.otp_worker.settings import OtpWorkerSettings
from services.policy import app as policy
from services.policy.settings import PolicySettings
from shared.crypto.keyring import RING_NAMES
from shared.db.role_passwords import ROLES
from shared.settings import PREFIX
from tests.architecture.source import ROOT

_COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
_DOCKERFILE = (ROOT / "Dockerfile").read_text()
_DASHBOARD = ROOT / "deploy/grafana/dashboards/deskfactor.json"

_SETTINGS: Mapping[str, type[BaseSettings]] = {
    "gateway": GatewaySettings,
    "otp_worker": OtpWorkerSettings,
    "policy": PolicySettings,
    "timers": PolicySettings,
    "notifier": NotifierSettings,
    "audit": AuditSettings,
    "migrate": OperatorSettings,
    "operator": OperatorSettings,
    "moving": OperatorSettings,
}
_RINGS: Mapping[str, tuple[str, ...]] = {
    "gateway": gateway.RINGS,
    "otp_worker": otp_worker.RINGS,
    "policy": policy.RINGS,
    "timers": (),
    "notifier": notifier.RINGS,
    "audit": audit.RINGS,
    "migrate": (),
    "operator": (),
    "moving": importing.RINGS,
}
_OURS = sorted(_SETTINGS)
_SERVING = sorted({*_OURS} - {"migrate", "operator", "moving"})


def test_the_file_is_one_that_compose_reads() -> None:
    """A slip of indentation would be found on the day of an installation."""
    command = [sys.executable, "-m", "podman_compose", "--dry-run", "--profile", "monitoring", "config", "--quiet"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert ended.returncode == 0, ended.stderr


def test_every_service_has_its_container() -> None:
    """A service that nobody starts leaves its lanes full."""
    assert {name for name, each in _COMPOSE["services"].items() if each.get("build")} == set(_OURS)


@pytest.mark.parametrize("name", _SERVING)
def test_the_command_is_a_module(name: str) -> None:
    """Renaming a service must not leave its container in a restart loop."""
    python, dash_m, module, *arguments = _COMPOSE["services"][name]["command"]
    assert (python, dash_m) == ("python", "-m")
    assert importlib.util.find_spec(f"{module}.__main__") is not None
    assert arguments == (["timers"] if name == "timers" else [])


@pytest.mark.parametrize("name", ["migrate", "operator", "moving"])
def test_the_command_is_one_of_the_command_line(name: str) -> None:
    """The image's `deskfactor` is the same command line."""
    program, command, *_ = _COMPOSE["services"][name]["command"]
    known = {each.name or getattr(each.callback, "__name__", "") for each in application().registered_commands}
    assert program == "deskfactor"
    assert command in known | {"--help"}
    assert "from services.cli.__main__ import main" in _DOCKERFILE


@pytest.mark.parametrize("name", _OURS)
def test_what_is_set_is_a_setting(name: str) -> None:
    """A misspelt variable is silently nothing, and its default may be the wrong thing."""
    service = _COMPOSE["services"][name]
    known = {f"{PREFIX}{field}".upper() for field in _SETTINGS[name].model_fields}
    given = {*service["environment"], *(target for target in _targets(name).values() if target.startswith(PREFIX))}
    assert given <= known
    assert "DESKFACTOR_DATABASE_URL" in given


def test_the_image_sets_what_is_a_setting() -> None:
    """Every container starts with these."""
    common = {f"{PREFIX}{field}".upper() for field in OperatorSettings.model_fields} | {"DESKFACTOR_SECRETS_DIR"}
    assert set(re.findall(r"\b(DESKFACTOR_\w+)=", _DOCKERFILE)) <= common


@pytest.mark.parametrize("name", _OURS)
def test_a_container_holds_the_rings_of_its_service_and_no_other(name: str) -> None:
    """A ring too many is a secret that a break-in there gives away; one too few keeps the service from starting."""
    mounted = {target.removesuffix(".json") for target in _targets(name).values() if target.endswith(".json")}
    assert mounted == set(_RINGS[name])
    assert all(target == f"{source}.json" for source, target in _targets(name).items() if target.endswith(".json"))


@pytest.mark.parametrize("name", _OURS)
def test_a_service_has_its_own_way_into_the_database(name: str) -> None:
    """One role for all would make every grant and every policy of the migrations a comment."""
    url = {"timers": "policy_url", "migrate": "postgres_url", "moving": "operator_url"}.get(name, f"{name}_url")
    assert [source for source, target in _targets(name).items() if target == "DESKFACTOR_DATABASE_URL"] == [url]


def test_the_rings_and_roles_are_those_of_the_code() -> None:
    """The script makes what the code names; the file must mount what the script makes."""
    files = {source: each["file"] for source, each in _COMPOSE["secrets"].items()}
    assert {source for source, file in files.items() if "/keys/" in file} == set(RING_NAMES)
    assert all(files[ring] == f"./secrets/keys/{ring}.json" for ring in RING_NAMES)
    assert {source for source, file in files.items() if "/roles/" in file} == set(ROLES) <= set(_targets("migrate"))


def test_ports_are_where_the_services_listen() -> None:
    """A health check on a port where nobody listens restarts a healthy service for ever."""
    gateway_service = _COMPOSE["services"]["gateway"]
    assert int(gateway_service["environment"]["DESKFACTOR_PORT"]) == GatewaySettings.model_fields["port"].default
    assert gateway_service["ports"][0].endswith(f":{gateway_service['environment']['DESKFACTOR_PORT']}")
    health = re.findall(r"DESKFACTOR_HEALTH_PORT=(\d+)", _DOCKERFILE)
    assert re.findall(r"HTTPConnection\('127\.0\.0\.1', (\d+)", _DOCKERFILE) == health
    assert "'/healthz'" in _DOCKERFILE
    scraped = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text())["scrape_configs"][0]
    assert set(scraped["static_configs"][0]["targets"]) == {f"{name}:{health[0]}" for name in _SERVING}


def test_every_long_running_container_has_a_health_check() -> None:
    """What cannot be seen to hang is found by the people who wait for a code."""
    for name, service in _COMPOSE["services"].items():
        runs_once = service.get("restart") == "no"
        assert service.get("healthcheck", {}).get("disable", False) == runs_once
        assert runs_once or name in _SERVING or "test" in service["healthcheck"]
    assert "HEALTHCHECK" in _DOCKERFILE


@pytest.mark.parametrize("name", [name for name in _COMPOSE["services"] if name not in _OURS])
def test_a_foreign_image_is_pinned(name: str) -> None:
    """`latest` is another program tomorrow."""
    assert re.fullmatch(r"[a-z/]+:v?\d+\.\d+[\w.-]*", _COMPOSE["services"][name]["image"])


def test_our_image_is_pinned_and_runs_as_nobody_in_particular() -> None:
    """Root in a container is root on the host, one bug later."""
    assert set(re.findall(r"^FROM (\S+)", _DOCKERFILE, re.MULTILINE)) == {"python:3.11.14-slim-bookworm"}
    assert "\nUSER 10001:10001\n" in _DOCKERFILE
    assert "--require-hashes --only-binary :all:" in _DOCKERFILE


def test_no_secret_is_written_into_the_files() -> None:
    """Passwords come from ./secrets, which `tools/compose-secrets.sh` makes and nobody commits."""
    text = (ROOT / "docker-compose.yml").read_text()
    written = re.findall(r"(?i)\b\w*(?:password|secret|token)\w*: *([^\s#]+)", text.split("\nsecrets:")[0])
    assert {value for value in written if not value.startswith(("/run/secrets/", "["))} == set()
    assert "secrets/" in (ROOT / ".gitignore").read_text().splitlines()


def test_the_dashboard_shows_metrics_that_exist_and_all_of_them() -> None:
    """A panel of a metric that was renamed shows a calm, empty line."""
    from prometheus_client import REGISTRY  # noqa: PLC0415 - filled by the import below

    importlib.import_module("shared.observability.metrics")
    families = {family.name: family for family in REGISTRY.collect() if family.name.startswith("deskfactor_")}
    exposed = {
        f"{name}{suffix}": name
        for name, family in families.items()
        for suffix in {"counter": ("_total",), "gauge": ("",), "histogram": ("_bucket", "_count", "_sum")}[family.type]
    }
    panels = json.loads(_DASHBOARD.read_text())["panels"]
    shown = {
        name
        for panel in panels
        for target in panel["targets"]
        for name in re.findall(r"deskfactor_\w+", target["expr"])
    }
    assert shown <= exposed.keys()
    assert {exposed[name] for name in shown} == families.keys()


def _targets(name: str) -> dict[str, str]:
    """A container's secrets: which, and under which name it finds them."""
    given = _COMPOSE["services"][name].get("secrets", [])
    return {
        (each if isinstance(each, str) else each["source"]): (each if isinstance(each, str) else each["target"])
        for each in given
    }
