"""`reconciler ci`: what the workflows of GitHub Actions run. Each subcommand is imported when it runs."""

import click

from reconciler.cli.command_table import CommandTable

# name -> (module, one line of help)
COMMANDS = {
    "environments": (
        "reconciler.cli.ci.environments_command",
        "List the environments that a push or pull request concerns.",
    ),
    "plan": ("reconciler.cli.ci.plan_command", "Plan a pull request and say so on it."),
    "apply": ("reconciler.cli.ci.apply_command", "Make reality what the merged file asks for."),
    "drift": ("reconciler.cli.ci.drift_command", "Compare every environment; keep one issue for each that differs."),
    "action": ("reconciler.cli.ci.action_command", "Run a command with the inputs of the GitHub action."),
    "drill-report": ("reconciler.cli.ci.drill_report_command", "Open a pull request with what a drill has written."),
}


@click.group(name="ci", cls=CommandTable, table=COMMANDS)
def command() -> None:
    """What the workflows run: plan a pull request, apply a merge, look for drift, keep a drill's report.

    Each can be run by hand too: what would go to GitHub's job summary then goes to stdout.
    """
