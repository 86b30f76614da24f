"""The table of test numbers, and the faults that can be set."""

from __future__ import annotations

import click

from sbc_sim.commands.shared import PASSED, SettingsCommand, as_json, loaded, say, say_json


@click.command(cls=SettingsCommand)
@click.option("--faults", is_flag=True, help="The types of faults that settings and API can set, instead.")
@as_json
@click.pass_context
def numbers(ctx: click.Context, faults: bool, as_json: bool) -> int:
    """List the test numbers: what a call gets by the user part of its Request-URI.

    The digits count behind +1555 or 00 too, and so does the name: sip:4860@..., sip:+15554860@... and sip:busy@... are the same.
    """
    from sbc_sim.calls.fault_types import told_types

    table = loaded(ctx).settings.number_table()
    rows = told_types() if faults else [] if table is None else table.told()
    if as_json:
        say_json(rows)
    elif faults:
        for row in rows:
            say(f"{row['name']:<20} {row['does']}{_value(row)}")
    elif table is None:
        say("Test numbers are off (sip.test_numbers).")
    else:
        for row in rows:
            also = f"  (also {', '.join(row['also'])})" if row["also"] else ""
            say(f"{row['number']}  {row['name']:<16} {row['does']}{also}")
    return PASSED


def _value(row: dict[str, object]) -> str:
    """Say what a value counts and what is usual."""
    if not row["unit"]:
        return ""
    usual = row["usual"]
    told = f"{usual:g}" if isinstance(usual, float) else usual
    return f"; value: {row['unit']}" + (f", {told} unless said" if told else "")
