"""What the simulator found, as tables."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from bench.cluster.crowd import Outcome
from bench.cluster.trial import Verdict


def print_outcome(console: Console, outcome: Outcome) -> None:
    size, seconds = outcome.size, outcome.counted_seconds
    console.print(
        f"{size.nodes:,} nodes, {size.rooms:,} rooms that last {size.life:,.0f} s, {size.seconds:.0f} s; a share of "
        f"{size.spread:.0%} on a second node",
        highlight=False,
    )
    table = Table("at the store", "a second", "bytes a second", "bytes each")
    for name, count in outcome.operations.most_common():
        size_bytes = outcome.bytes[name]
        table.add_row(name, f"{count / seconds:,.1f}", f"{size_bytes / seconds:,.0f}", f"{size_bytes / count:,.0f}")
    table.add_row("hints", "", f"{outcome.bytes['hints'] / seconds:,.0f}", "")
    total, total_bytes = outcome.operations.total(), outcome.bytes.total()
    table.add_row("all", f"{total / seconds:,.1f}", f"{total_bytes / seconds:,.0f}", "", style="bold")
    table.add_row("most in a second", f"{outcome.peak_operations:,}", f"{outcome.peak_bytes:,}", "")
    console.print(table)
    table = Table("what happened", "rooms without a home, at most", "all have one again after")
    for incident in outcome.incidents:
        after = "not yet" if incident.settled_after is None else f"{incident.settled_after:.2f} s"
        table.add_row(incident.name, f"{incident.without_home:,}", after)
    console.print(table)
    console.print(
        f"placed: {outcome.placed:,}; since all this began in {outcome.placing_median_ms:.1f} ms (median), "
        f"{outcome.placing_p99_ms:,.1f} ms (p99, outages included); the fullest node has "
        f"{outcome.most_by_mean:.2f} of the mean; requests without an answer: {outcome.failures:,}",
        highlight=False,
    )
    print_doubles(console, outcome.double_homes, "rooms, looked at each second")


def print_verdicts(console: Console, trials: int, bad: list[Verdict]) -> None:
    for verdict in bad[:5]:
        console.print(f"[bold red]seed {verdict.seed}[/]", highlight=False)
        for line in [*verdict.double_homes, *verdict.disagreements, *verdict.events]:
            console.print(f"  {line}", highlight=False, markup=False)
    apart = sum(bool(verdict.disagreements) for verdict in bad)
    console.print(f"{trials:,} small clusters in trouble; they did not agree at the end in {apart}", highlight=False)
    print_doubles(console, sum(bool(verdict.double_homes) for verdict in bad), "clusters, looked at after each event")


def print_doubles(console: Console, count: int, what: str) -> None:
    colour = "bold red" if count else "bold green"
    console.print(f"[{colour}]double homes: {count}[/] ({what})", highlight=False)
