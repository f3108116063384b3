"""Packets that do not come through."""

from __future__ import annotations

from sfu.node.metrics.alerts.alert import Alert

_OVERLOAD = "notice_ring_full|relay_ring_full|receive_failed|send_congested"

MEDIA = (
    Alert(
        name="SfuOverloaded",
        severity="critical",
        expression=f'sum by (job, instance, reason) (rate(sfu_drops_total{{reason=~"{_OVERLOAD}"}}[2m])) > 1',
        holds="1m",
        summary="Packets are lost inside the node.",
        means=(
            "One part of it cannot follow another: `send_congested`, the system takes no more packets "
            "from a media socket; `receive_failed`, it gives none; `notice_ring_full`, the event loop "
            "does not follow a plane; `relay_ring_full`, one shard does not follow another. Everybody on "
            "that shard sees it."
        ),
        look=(
            "*Lost in the node* and *Threads* on the dashboard. `nstat -az UdpSndbufErrors` counts for "
            "the whole machine."
        ),
        steps=(
            "If a plane or the event loop is busy, see SfuPlaneBusy or SfuControlBusy.",
            (
                "For `send_congested`: is the network card at its rate, or a container's traffic shaped? "
                "Run `sfu doctor` for the buffers."
            ),
            ("If another program takes the processor, give the node its cores (`CPUWeight=`, `AllowedCPUs=`)."),
        ),
    ),
    Alert(
        name="SfuSocketLoses",
        severity="critical",
        expression="rate(sfu_socket_lost_messages_total[2m]) > 1",
        holds="1m",
        summary="The buffer of a media socket was full, and packets that came in were lost.",
        means=(
            "The plane did not fetch them in time: it is busy, it was not given the processor, or the "
            "buffer is too small for the bursts that come. Publishers are asked for all of it again."
        ),
        look="*Lost in the node* on the dashboard, by shard; `ss -u -a -m -n` shows the same as `d`.",
        steps=(
            ("Run `sfu doctor`: it says whether the buffer is as large as it should be, and which `sysctl` to set."),
            "If the plane is busy, see SfuPlaneBusy.",
            "On a virtual machine, look at stolen time: `vmstat 1`, column `st`.",
        ),
    ),
    Alert(
        name="SfuCannotSend",
        severity="warning",
        expression='sum by (job, instance) (rate(sfu_drops_total{reason="send_failed"}[5m])) '
        "+ sum by (job, instance) (rate(sfu_control_send_failed_total[5m])) > 1",
        holds="5m",
        summary="The system refuses to send packets.",
        means=(
            "A firewall on the machine, a missing route, or an interface that is gone; a few refusals are"
            " clients whose network changed."
        ),
        look="*Lost in the node* on the dashboard; `ip route get ADDRESS`, `nft list ruleset`.",
        steps=(
            "Allow what `udp_port` and its successors send.",
            "Look whether the machine has lost an address or a route.",
        ),
    ),
    Alert(
        name="SfuSubscribersLose",
        severity="warning",
        expression='(1 - sum by (job, instance) (sfu_subscription_fraction_lost_bucket{le="0.05"}) '
        '/ sum by (job, instance) (sfu_subscription_fraction_lost_bucket{le="+Inf"})) > 0.2 '
        'and sum by (job, instance) (sfu_subscription_fraction_lost_bucket{le="+Inf"}) > 20',
        holds="5m",
        summary="More than a fifth of what is received loses more than a twentieth.",
        means=("So many at once do not have bad networks by chance: what they share is the way out of this machine."),
        look=(
            "*Loss* below *To subscribers*, and *Paths*: whether estimates fall as well. If publishers "
            "lose, too, it is both directions."
        ),
        steps=(
            ("Is the uplink full, or the network card at its rate? Compare *Bit rates* with what you pay for."),
            "See SfuOverloaded: what the node itself loses counts here as well.",
            "Ask the provider, with the time at which it began.",
        ),
    ),
    Alert(
        name="SfuPublishersLose",
        severity="warning",
        expression='(1 - sum by (job, instance) (sfu_encoding_fraction_lost_bucket{le="0.05"}) '
        '/ sum by (job, instance) (sfu_encoding_fraction_lost_bucket{le="+Inf"})) > 0.2 '
        'and sum by (job, instance) (sfu_encoding_fraction_lost_bucket{le="+Inf"}) > 10',
        holds="5m",
        summary="More than a fifth of what is published loses more than a twentieth on its way here.",
        means="What they share is the way into this machine, or the node does not fetch what comes.",
        look="*Loss* below *From publishers*, and *Lost in the node*.",
        steps=(
            "See SfuSocketLoses.",
            "Ask the provider, with the time at which it began.",
        ),
    ),
)
