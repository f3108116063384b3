"""A node as one of several."""

from __future__ import annotations

from sfu.node.metrics.alerts.alert import Alert

CLUSTER = (
    Alert(
        name="SfuClusterCutOff",
        severity="critical",
        expression="sfu_cluster_joined == 0",
        holds="30s",
        summary="The node is cut off from the cluster's directory.",
        means=(
            "Who is in its rooms notices nothing, and people still join them. It opens no rooms: clients for new ones "
            "are told to try again. Other nodes, if they reach Redis, may open rooms of its for who comes to them."
        ),
        look=(
            "`sfu_cluster_directory_failures_total` by reason, and whether other nodes are cut off, too: then it is "
            "Redis, else the way to it. The log says `cluster: not let in` where another process has the node's id."
        ),
        steps=(
            "Bring Redis back; nodes join by themselves, and say again what they have, also if it has lost its data.",
            "`readonly` means that it is a replica: `cluster_url` must lead to the master, or name the Sentinels.",
            "Do not restart the node: that would end its rooms.",
        ),
    ),
    Alert(
        name="SfuClusterRoomsLost",
        severity="warning",
        expression="increase(sfu_cluster_lost_rooms_total[15m]) > 0",
        holds="0m",
        summary="Rooms of the node were taken over by another one.",
        means=(
            "It was cut off from Redis, or stood still, for three seconds and more, and clients came to another node "
            "meanwhile. Those who were in were sent there, and recordings of these rooms were closed here."
        ),
        look=(
            "The log's `cluster: a room was taken over by another node`, with its name, and `cluster: cut off` before."
        ),
        steps=(
            "Begin the recordings anew that should go on.",
            "Look for why the node could not reach Redis, or what held it up: steal time, a machine that was paused.",
        ),
    ),
)
