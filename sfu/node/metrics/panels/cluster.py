"""A node as one of several."""

from __future__ import annotations

from sfu.node.metrics.panels.panel import Panel, Row, by, rates

CLUSTER = (
    Row(
        "Cluster",
        (
            Panel(
                "Joined",
                "short",
                {"{{instance}}": "sfu_cluster_joined"},
                "Zero: the node is cut off from the directory. Its rooms go on, and it opens none.",
            ),
            Panel("Nodes", "short", {"{{instance}}": "sfu_cluster_nodes"}, "As each knows them; all should agree."),
            Panel("Homes", "short", {"{{instance}}": "sfu_cluster_rooms"}, "Rooms by the node on which they live."),
            Panel("Passed on", "short", {"{{instance}}": "sfu_cluster_passed_on_sockets"}, "LiveKit signal sockets."),
            Panel(
                "Led elsewhere",
                "reqps",
                rates(requests="sfu_cluster_led_elsewhere_total"),
                "To the home of a room.",
            ),
            Panel(
                "Directory failures", "reqps", by("reason", "sfu_cluster_directory_failures_total"), "Should be zero."
            ),
            Panel(
                "Unknown homes",
                "reqps",
                by("reason", "sfu_cluster_unknown_homes_total"),
                "Clients that were told to try again, since nobody could say whose the room is.",
            ),
            Panel(
                "Lost rooms",
                "short",
                {"{{instance}}": "increase(sfu_cluster_lost_rooms_total[1h])"},
                "Taken over by another node while this one was cut off. Should be zero.",
            ),
        ),
    ),
)
