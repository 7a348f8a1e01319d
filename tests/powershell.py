"""Makes the completion for PowerShell from an argparse declaration. Pure.

The script registers a completer for a native command: PowerShell calls it with the word under the cursor, and
takes the names of files where it returns nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse
    from collections.abc import Collection

SCRIPT = """\
# Completion of {name} for PowerShell; in $PROFILE:  . PATH/TO/{name}.ps1
Register-ArgumentCompleter -Native -CommandName {name} -ScriptBlock {{
    param($wordToComplete, $commandAst, $cursorPosition)

    # Pairs, and no hash table: to one, -r and -R are the same key.
    $flags = @(
{flags}
    )
    # The words that end before the cursor, without the one that it is in.
    $before = @($commandAst.CommandElements |
            Where-Object {{ $_.Extent.EndOffset -lt $cursorPosition }} |
            ForEach-Object {{ $_.Extent.Text }})
    $last = if ($before.Count -gt 1) {{ $before[-1] }} else {{ '' }}

    if (@({files}) -ccontains $last) {{
        return
    }}
    if (@({interfaces}) -ccontains $last) {{
        [System.Net.NetworkInformation.NetworkInterface]::GetAllNetworkInterfaces().Name |
            Where-Object {{ $_ -like "$wordToComplete*" }} |
            ForEach-Object {{
                [System.Management.Automation.CompletionResult]::new($_, $_, 'ParameterValue', $_)
            }}
        return
    }}
    $flags |
        Where-Object {{ $_.Flag.StartsWith($wordToComplete, [System.StringComparison]::Ordinal) }} |
        ForEach-Object {{
            [System.Management.Automation.CompletionResult]::new($_.Flag, $_.Flag, 'ParameterName', $_.Help)
        }}
}}
"""


def powershell_completion(parser: argparse.ArgumentParser, *, files: Collection[str], interfaces: str) -> str:
    """The completion of the parser's command.

    ``files`` and ``interfaces`` are the destinations of the flags that take a file, and an interface.
    """
    options = [action for action in parser._actions if action.option_strings]
    lines = [
        f"        [pscustomobject]@{{ Flag = {_quoted(flag)}; Help = {_quoted(str(action.help))} }}"
        for action in options
        for flag in action.option_strings
    ]

    def taking(*wanted: str) -> str:
        return ", ".join(_quoted(f) for a in options if a.dest in wanted for f in a.option_strings)

    return SCRIPT.format(
        name=parser.prog, flags="\n".join(lines), files=taking(*files), interfaces=taking(interfaces)
    )


def _quoted(text: str) -> str:
    """``text`` as a literal string of PowerShell."""
    return "'" + text.replace("'", "''") + "'"
