"""`reconciler ci`: the commands of the GitHub workflows. Each is imported when it runs."""

import click

from reconciler.cli.command_table import CommandTable

# name -> (module, one line of help)
COMMANDS = {
    "environments": (
        "reconciler.cli.ci.environments_command",
        "List the environments that a push or pull request concerns.",
    ),
    "plan": ("reconciler.cli.ci.plan_command", "Plan a pull request and comment the plan on it."),
    "apply": ("reconciler.cli.ci.apply_command", "Apply the merged file."),
    "drift": (
        "reconciler.cli.ci.drift_command",
        "Keep one issue for each environment that has drifted.",
    ),
    "action": ("reconciler.cli.ci.action_command", "Run a command with the inputs of the GitHub action."),
    "drill-report": ("reconciler.cli.ci.drill_report_command", "Open a pull request with the report of a drill."),
}


@click.group(name="ci", cls=CommandTable, table=COMMANDS)
def command() -> None:
    """What the GitHub workflows run: plan a pull request, apply a merge, look for drift, keep a drill's report.

    You can run each by hand. The text of the job summary then goes to stdout.
    """
