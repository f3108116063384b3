"""The node itself: whether it is there, keeps up, and has what it needs."""

from __future__ import annotations

from sfu.node.metrics.alerts.alert import Alert

NODE = (
    Alert(
        name="SfuDown",
        severity="critical",
        expression='up{job="sfu"} == 0',
        holds="1m",
        summary="Prometheus cannot read the node's metrics.",
        means=(
            "The node is gone, hangs, or cannot be reached from Prometheus. If it is gone, so are all its"
            " rooms: they are in memory, and clients join anew once it is back. Its records are on disk "
            "up to the last second."
        ),
        look=(
            "`systemctl status sfu`, `journalctl -u sfu -n 100`, and `curl http://HOST:9100/healthz` on "
            "the machine itself: `ok` there means that only the way from Prometheus is broken."
        ),
        steps=(
            (
                "Start the node again; if it does not start, its last line says why, and `sfu doctor` "
                "what else is wrong."
            ),
            "If it was killed, look for the kernel's reason: `journalctl -k -g oom`.",
            "It recovers the records that it left open by itself: see SfuRecordNotRecovered.",
        ),
    ),
    Alert(
        name="SfuAbsent",
        severity="critical",
        expression='absent(up{job="sfu"})',
        holds="5m",
        summary="Prometheus knows of no node at all.",
        means=(
            "Either no node is configured or found any more, or the job has another name than `sfu`. "
            "Every other alert here is blind meanwhile."
        ),
        look="The page *Targets* of Prometheus.",
        steps=("Mend the scrape configuration, or what finds the nodes for it.",),
    ),
    Alert(
        name="SfuRestarts",
        severity="critical",
        expression='changes(process_start_time_seconds{job="sfu"}[30m]) > 1',
        holds="0m",
        summary="The node has started more than once within half an hour.",
        means="Each start ends all rooms. Something kills it again and again, or it ends by itself.",
        look=("`journalctl -u sfu -g 'Main process exited|oom'`, and the last lines that each process wrote."),
        steps=(
            (
                "After `OOM`, see SfuMemoryNearlyFull. After a signal 11 or a traceback, keep the log: it"
                " is a defect to report."
            ),
            "If it began with an upgrade, go back to the version before.",
        ),
    ),
    Alert(
        name="SfuPlaneBusy",
        severity="warning",
        expression="rate(sfu_plane_cpu_seconds_total[5m]) > 0.85",
        holds="5m",
        summary="A shard's plane has less than a sixth of its core left.",
        means=("Beyond a whole core packets wait, then they are lost: pictures freeze for everybody on that shard."),
        look=(
            "*Threads* on the dashboard: which shard. *Packets a message* tells whether UDP GSO still "
            "works; at 1 it does not, and each packet costs up to three times as much."
        ),
        steps=(
            (
                "If other shards are idle, the load is one large room: nothing is wrong with the node, "
                "but it is at its size."
            ),
            (
                "Raise `shards` up to the machine's cores less one, at the next restart, or send new "
                "rooms to another node."
            ),
            "Bound what is sent: `last_n_video`, or fewer people in a room (`max_peers_per_room`).",
        ),
    ),
    Alert(
        name="SfuControlBusy",
        severity="warning",
        expression="rate(sfu_control_cpu_seconds_total[5m]) > 0.8",
        holds="5m",
        summary="The event loop has less than a fifth of its core left.",
        means=(
            "Media go on, since the plane forwards them by itself. Joining takes longer, answers to "
            "checks come late, and then connections are given up."
        ),
        look=(
            "*Threads* and *Requests* on the dashboard, and `sfu_http_waiting_requests`. Who asks so much"
            " stands in *Kept out*, or in the log at `debug`."
        ),
        steps=(
            "If one address or token asks too much, lower its rate: see limits.",
            ("If it is a crowd that comes all at once, it passes; let clients spread their joining over some seconds."),
            "If it stays, the node is at its size: send new rooms to another one.",
        ),
    ),
    Alert(
        name="SfuTcpBusy",
        severity="warning",
        expression="rate(sfu_tcp_cpu_seconds_total[5m]) > 0.85",
        holds="5m",
        summary="The thread that serves TLS and media by TCP has less than a sixth of its core left.",
        means=(
            "Beyond a whole core those who come by TCP hear and see late, and video is left out for them. Who has UDP "
            "does not notice."
        ),
        look="*Threads*, *Connections by TCP* and *Packets by TCP* on the dashboard.",
        steps=(
            "Is UDP blocked for people who should have it? Look whether the firewall lets the media ports through.",
            "If one network brings them all by TCP, send their rooms to another node.",
        ),
    ),
    Alert(
        name="SfuInternalError",
        severity="warning",
        expression='increase(sfu_drops_total{reason="internal_error"}[15m]) > 0',
        holds="0m",
        summary="A connection met a defect of the node, and was closed.",
        means="Only that one: its client joins again. But the same defect may meet others.",
        look="The log: `a connection failed and is closed`, with a traceback.",
        steps=(
            "Report it with the traceback and the version.",
            "If it comes again and again, go back to the version before.",
        ),
    ),
    Alert(
        name="SfuDescriptorsLow",
        severity="warning",
        expression="sfu_descriptors_limit < sfu_descriptors_wanted",
        holds="5m",
        summary="The limit of open files is too low for the settings.",
        means=("Media and records have theirs reserved; HTTP gets fewer connections than `max_http_connections` says."),
        look="*Descriptors* on the dashboard; the node warns at its start.",
        steps=("Raise `LimitNOFILE` to `sfu_descriptors_wanted` and restart, or set less.",),
    ),
    Alert(
        name="SfuDescriptorsNearlyOut",
        severity="critical",
        expression='process_open_fds{job="sfu"} > 0.9 * process_max_fds{job="sfu"}',
        holds="2m",
        summary="The node has nearly as many files open as it may.",
        means=(
            "Soon nobody new gets in, and records cannot open files. It should not come this far, since "
            "HTTP stops before: something may leak."
        ),
        look=(
            "*Descriptors* on the dashboard against peers and connections; `ls -l /proc/PID/fd` tells of "
            "what kind they are."
        ),
        steps=(
            (
                "If they grow while people do not, restart the node at the next quiet moment and report "
                "what kind they were."
            ),
            "Else raise `LimitNOFILE`.",
        ),
    ),
    Alert(
        name="SfuDrainsLong",
        severity="warning",
        expression="sfu_draining == 1",
        holds="2h",
        summary="The node has drained for two hours and is still there.",
        means="It opens no new rooms. Perhaps somebody meant to stop it, or to take it back, and has forgotten.",
        look="`sfu_rooms` and `sfu_recordings`: whether anything is left in it; `GET /admin/drain` for the deadline.",
        steps=(
            "Take it back into service with `sfu drain --back`, or stop it.",
            "If it waits for one long hearing, let it: the deadline was set for that.",
        ),
    ),
    Alert(
        name="SfuMemoryNearlyFull",
        severity="critical",
        expression='process_resident_memory_bytes{job="sfu"} > on (job, instance) 0.9 * sfu_memory_limit_bytes',
        holds="5m",
        summary="The node has taken nearly all memory that it may.",
        means="At the limit the kernel kills it, and all rooms end.",
        look="*Memory* on the dashboard against peers and rooms.",
        steps=(
            "Send new rooms to another node.",
            "Raise `MemoryMax=` or the container's limit, if the machine has more.",
            "If it grew while people did not, see SfuMemoryGrows.",
        ),
    ),
    Alert(
        name="SfuMemoryGrows",
        severity="warning",
        expression='predict_linear(process_resident_memory_bytes{job="sfu"}[6h], 24 * 3600) '
        "> on (job, instance) sfu_memory_limit_bytes "
        'and on (job, instance) time() - process_start_time_seconds{job="sfu"} > 6 * 3600',
        holds="1h",
        summary="At this rate the node's memory will not last a day.",
        means=(
            "It has grown for six hours. In a morning that fills with people that is so; if they are gone"
            " and it stays, something leaks."
        ),
        look="*Memory* on the dashboard against peers, over two days.",
        steps=(
            ("If it leaks, restart the node at the next quiet moment, and report it with the dashboard's picture."),
        ),
    ),
)
