"""Records and their disks."""

from __future__ import annotations

from sfu.node.metrics.alerts.alert import Alert

RECORDS = (
    Alert(
        name="SfuRecordInDanger",
        severity="critical",
        expression='sfu_recording_alarms{what=~"write_failed|nothing_written|not_closed|disk_nearly_full"} > 0',
        holds="30s",
        summary="A record is not being written as it should.",
        means=(
            "`write_failed`: the disk takes nothing; `nothing_written`: media should come and none reach "
            "the disk; `not_closed`: a hearing is over and its record could not be closed; "
            "`disk_nearly_full`: less is left than `record_least_free_bytes`. What is missing in the end "
            "stands in the record as a gap."
        ),
        look=("The log: `recording alarm` with the room, the folder and the reason. `df -h`, `dmesg -T | tail`."),
        steps=(
            "If a hearing is running, tell who presides: he may pause until it is mended.",
            ("Make room, or mount the disk again; the recorder tries by itself, every second to every half minute."),
            ("With mirrors the other folder has the whole: `sfu verify DIR --against MIRROR` afterwards."),
            "After `not_closed`, `sfu recover` closes the record once there is room.",
        ),
    ),
    Alert(
        name="SfuRecordLags",
        severity="warning",
        expression='sfu_recording_alarms{what=~"behind|not_signed"} > 0',
        holds="1m",
        summary="A recorder is behind, or its ledger is not being signed.",
        means=(
            "`behind`: the disk or the processor is too slow, and packets were left out; `not_signed`: "
            "`sfu sign` does not answer. Media are written on, and signed once it does; what a crash "
            "leaves unsigned is set apart."
        ),
        look=("The log: `recording alarm`. `sfu doctor` measures the disks; `systemctl status` of the signer."),
        steps=(
            "Start the signer again.",
            "Find out what else writes on that disk: `iostat -x 1`.",
        ),
    ),
    Alert(
        name="SfuRecordFailed",
        severity="critical",
        expression='increase(sfu_recordings_ended_total{cause="failed"}[30m]) > 0',
        holds="0m",
        summary="A recording has ended because it failed.",
        means="All its folders failed, while the hearing may go on: nobody records it now.",
        look="The log: `recording stopped` with `failed`, the room and the reason.",
        steps=(
            "If the hearing is running, start the recording again: it makes a second record.",
            "Mend the disk, then `sfu recover` the first record.",
        ),
    ),
    Alert(
        name="SfuRecordNotRecovered",
        severity="warning",
        expression="sfu_records_not_recovered > 0",
        holds="10m",
        summary="A record that a crash had left open is not closed.",
        means=(
            "The node looks for such records when it starts. `refused`: the record was altered, another key has "
            "begun it, or nothing in it is signed; the node touches it no more. `failed`: its disk is full or cannot "
            "be written, or the signer does not answer; the node tries again, ever more rarely."
        ),
        look="The log: `record not recovered` with the folder and the reason. `sfu verify DIR --key PUBLIC.pem`.",
        steps=(
            "After `failed`: make room or start the signer; `sfu recover` does it at once.",
            "After `refused` with another key: `sfu recover` with that key.",
            "Where something was altered, keep the folder as it is, find out who did it, and use the mirror.",
            "Move what cannot be recovered out of the folder of records, and restart the node when that suits.",
        ),
    ),
    Alert(
        name="SfuRecordMissesPackets",
        severity="warning",
        expression="increase(sfu_recording_missed_packets_total[10m]) > 0",
        holds="0m",
        summary="Recorders were too slow for packets, which are missing in records.",
        means="The records say where, as gaps. The disk is too slow, or the processor is.",
        look="*Missed* on the dashboard; `sfu doctor` for the disk's speed.",
        steps=(
            "See SfuPlaneBusy and SfuRecordLags.",
            "Record less at once (`max_recordings`), or on a faster disk.",
        ),
    ),
    Alert(
        name="SfuRecordDiskFills",
        severity="warning",
        expression="predict_linear(sfu_recording_free_bytes[1h], 12 * 3600) < on (job, instance) group_left () "
        "sfu_recording_least_free_bytes",
        holds="30m",
        summary="A disk of records will be full within twelve hours.",
        means=(
            "If people go on recording as in the last hour. When it is full, records get gaps, or cannot be closed."
        ),
        look="*Free space* on the dashboard.",
        steps=("Bring closed records away (verify them first), or enlarge the disk.",),
    ),
    Alert(
        name="SfuRecordDiskFull",
        severity="critical",
        expression="sfu_recording_free_bytes < on (job, instance) group_left () sfu_recording_least_free_bytes",
        holds="1m",
        summary="A disk of records has less left than it must have.",
        means=("It is below `record_least_free_bytes`. Recordings still run, and will get gaps once nothing is left."),
        look="`df -h` of the folder; `place` is `record_dir` or which mirror.",
        steps=(
            "Bring closed records away, or enlarge the disk, now.",
            "Until then, start no further recordings.",
        ),
    ),
    Alert(
        name="SfuRecordDiskGone",
        severity="critical",
        expression="(sfu_recording_free_bytes offset 20m unless sfu_recording_free_bytes) "
        'and on (job, instance) up{job="sfu"} == 1',
        holds="2m",
        summary="A disk of records can no longer be asked what it has left.",
        means=(
            "It is not mounted, broken, or hangs; recordings there fail. If you have just changed "
            "`record_mirrors`, it is that, and passes."
        ),
        look="`findmnt`, `dmesg -T | tail`.",
        steps=(
            "Mount it again, or take it out of the configuration.",
            "See SfuRecordInDanger for what was running.",
        ),
    ),
)
