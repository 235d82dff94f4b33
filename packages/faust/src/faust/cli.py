"""Commands of an application's own: what `@app.command` takes; and calling commands from a program."""

from faust_cli.app_commands import AppCommand, Command, argument, option
from faust_cli.calling import call_command

__all__ = ["AppCommand", "Command", "argument", "call_command", "option"]
