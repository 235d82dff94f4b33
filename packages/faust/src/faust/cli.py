"""Commands of an application's own: what `@app.command` takes."""

from faust_cli.app_commands import AppCommand, Command, argument, option

__all__ = ["AppCommand", "Command", "argument", "option"]
