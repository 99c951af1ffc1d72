"""`reconciler ci`: what the workflows of GitHub Actions run. Each subcommand is imported when it runs."""

import importlib

import click

# name -> (module, one line of help)
COMMANDS = {
    "environments": (
        "reconciler.cli.ci.environments_command",
        "List the environments that a push or pull request concerns.",
    ),
    "plan": ("reconciler.cli.ci.plan_command", "Plan a pull request and say so on it."),
    "apply": ("reconciler.cli.ci.apply_command", "Make reality what the merged file asks for."),
    "drift": ("reconciler.cli.ci.drift_command", "Compare every environment; keep one issue for each that differs."),
}


class _Commands(click.Group):
    """A group whose commands live in modules of their own."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  click's signature
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(COMMANDS[cmd_name][0])
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])


@click.group(name="ci", cls=_Commands)
def command() -> None:
    """What the workflows run: plan a pull request, apply a merge, look for drift.

    Each can be run by hand too: what would go to GitHub's job summary then goes to stdout.
    """
