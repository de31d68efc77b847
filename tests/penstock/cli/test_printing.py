"""What the commands for runs elsewhere print."""

from penstock.cli.remote.printing import print_table


def test_a_table_is_as_wide_as_its_cells_are_on_a_terminal(capsys):
    print_table(("name", "state", "error"), [("飛行", "failed", "[red]" + "e" * 200), ("flights", "done", "")])
    assert capsys.readouterr().out.splitlines() == [
        "name     state   error",
        "飛行     failed  [red]" + "e" * 200,
        "flights  done",
    ]
