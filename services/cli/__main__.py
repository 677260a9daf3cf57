"""``deskfactor``: the command line."""

import sys

import typer

from services.cli.commands import audit, bench, broker, dead, host, moving, tenants, trial


def application() -> typer.Typer:
    """All commands."""
    app = typer.Typer(
        name="deskfactor",
        help="The second factor of helpdesks.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,  # a traceback with its variables would hold keys
    )
    app.command()(trial.demo)
    app.command()(trial.dev)
    app.command()(host.serve)
    app.command()(host.migrate)
    app.command()(bench.bench)
    app.command()(host.openapi)
    app.command()(host.asyncapi)
    app.command("import")(moving.import_accounts)
    app.command("export")(moving.export_tenant)
    tenants.tenants.command("broker-user")(broker.broker_access)
    app.add_typer(tenants.tenants, name="tenants")
    app.add_typer(tenants.api_keys, name="api-keys")
    app.add_typer(audit.audit, name="audit")
    app.add_typer(dead.dead, name="dead")
    app.add_typer(host.keyring, name="keyring")
    app.add_typer(host.topology, name="topology")
    return app


def main() -> None:
    """Run one command. Exit statuses: `services.cli.commands.output.Status`."""
    try:
        application()(prog_name="deskfactor")
    except Exception as error:
        from services.cli.failures import failure_of  # noqa: PLC0415 - loads what the command may not have needed

        failure = failure_of(error)
        if failure is None:
            raise
        typer.echo(failure.text, err=True)
        sys.exit(failure.status)


if __name__ == "__main__":
    main()
