"""Who is kept out, and what the platform is not told."""

from __future__ import annotations

from sfu.node.admission.load import REASONS as LOAD_REASONS
from sfu.node.metrics.alerts.alert import Alert

_KEPT_OUT = "address|full|memory|system"

CLIENTS = (
    Alert(
        name="SfuRefusesNew",
        severity="critical",
        expression=f'increase(sfu_refused_demands_total{{reason=~"{"|".join(LOAD_REASONS)}"}}[10m]) > 3',
        holds="0m",
        summary="The node is at its limit and lets nobody new in.",
        means=(
            "Who is in stays, and who drops out comes back; others are told 503 and when to try again. `plane_load`, "
            "`control_load`: no plane, or not the event loop, has enough of its core left; `memory_load`, "
            "`descriptor_load`: what the process may have is nearly used up; `disk_space`: no recording begins, since "
            "a disk with records has less than `record_least_free_bytes`."
        ),
        look="*Load and its bounds* and *Refused by load or quota* on the dashboard.",
        steps=(
            "Send new rooms to another node.",
            "Of a plane or the event loop see SfuPlaneBusy and SfuControlBusy, of memory SfuMemoryNearlyFull.",
            "If the machine bears more, raise the bound: `max_plane_load` and its like in the configuration.",
        ),
    ),
    Alert(
        name="SfuQuotaUsedUp",
        severity="warning",
        expression="sfu_quota_used > 0.95 * sfu_quota_limit",
        holds="5m",
        summary="A tenant has used up a quota, or nearly so.",
        means="What it asks for beyond that is refused with 429, which its users see. Nobody else is concerned.",
        look="*Quotas in use* on the dashboard: which tenant, and what of.",
        steps=(
            "Ask whose key it is whether he needs more, and raise it in `quotas`.",
            "If he does not know of it, his key may be in other hands: give him another one.",
        ),
    ),
    Alert(
        name="SfuRefusesSessions",
        severity="warning",
        expression="sum by (job, instance, reason) (rate(sfu_refused_sessions_total[5m])) > 0.2",
        holds="5m",
        summary="People are refused, since a limit is reached.",
        means=(
            "`reason` says which: of a token, an address or a room. An audience behind one address, or "
            "with one token, looks like this as well as an attack."
        ),
        look="*Kept out* on the dashboard.",
        steps=(
            ("If they are yours, raise `max_peers_per_token`, `max_peers_per_address` or `max_peers_per_room`."),
            ("If you stand behind a proxy, is it named in `trusted_proxies`? Else all count as one address."),
            "If they are strangers, nothing is to be done: the limit does its work.",
        ),
    ),
    Alert(
        name="SfuRefusesStreams",
        severity="warning",
        expression="sum by (job, instance, reason) (rate(sfu_refused_event_streams_total[5m])) > 0.2",
        holds="5m",
        summary="Event streams are refused, since a limit is reached.",
        means=(
            "Pages do not hear who comes and goes. `reason` says which limit: of a token, an address, a "
            "room or the server."
        ),
        look="*Kept out* on the dashboard.",
        steps=("Raise `max_streams_per_token` or `max_streams_per_address`, if they are yours.",),
    ),
    Alert(
        name="SfuRefusesRequests",
        severity="warning",
        expression="sum by (job, instance) (rate(sfu_http_refused_requests_total[5m])) "
        f'+ sum by (job, instance) (rate(sfu_http_ended_connections_total{{reason=~"{_KEPT_OUT}"}}[5m])) > 5',
        holds="5m",
        summary="Requests or connections are refused by the dozen.",
        means="Somebody asks too fast, or the node's HTTP connections are all taken.",
        look="*Kept out* and *HTTP connections* on the dashboard. The proxy's log tells who it is.",
        steps=(
            "If you stand behind a proxy, is it named in `trusted_proxies`?",
            "If they are strangers, let the proxy or the firewall keep them out.",
            "If they are yours, raise the rate: see limits.",
        ),
    ),
    Alert(
        name="SfuHttpNearlyFull",
        severity="warning",
        expression="sfu_http_connections > 0.9 * sfu_http_connections_limit",
        holds="5m",
        summary="Nearly all HTTP connections are taken.",
        means="Beyond the limit idle ones give way, then new ones wait. Media are not concerned.",
        look="*HTTP connections* on the dashboard.",
        steps=(("Raise `max_http_connections`; `sfu_descriptors_wanted` says what limit of open files it needs."),),
    ),
    Alert(
        name="SfuCertificateEndsSoon",
        severity="warning",
        expression="sfu_certificate_expires_seconds - time() < 14 * 86400",
        holds="1h",
        summary="The certificate that is served is good for less than two weeks.",
        means="What should renew it does not: certbot does so 30 days before the end. Nothing is broken yet.",
        look="`systemctl list-timers certbot.timer`, `journalctl -u certbot`; `sfu doctor` says how long it is good.",
        steps=(
            "Renew it: `certbot renew`. The node takes new files by itself, within seconds.",
            "If the files are new and the node serves the old ones, its log says what is wrong with them.",
        ),
    ),
    Alert(
        name="SfuCertificateEnds",
        severity="critical",
        expression="sfu_certificate_expires_seconds - time() < 2 * 86400",
        holds="10m",
        summary="The certificate that is served ends within two days, or has ended.",
        means="Then no browser opens the page, no client joins, and nobody comes by TURN over TLS.",
        look="`sfu doctor`; `openssl x509 -noout -enddate -in` the file of `tls_cert`.",
        steps=(
            "Renew it now: `certbot renew`. The node takes new files by itself, within seconds.",
            "If that fails, take one from elsewhere for the time being, and put it in the place of the files.",
        ),
    ),
    Alert(
        name="SfuCertificateFault",
        severity="warning",
        expression='sfu_certificate_fault{fault!="expired"} > 0',
        holds="5m",
        summary="The certificate cannot be used as it is.",
        means=(
            "`files`: what stands in the files of `tls_cert` and `tls_key` cannot be served, or clients refuse it. "
            "The former certificate is served, but a start would fail, or serve what is refused. `not_yet_good`: "
            "clients refuse what is served, since its time has not begun, or this host's clock is behind."
        ),
        look="The log says what is wrong with which file; `sfu doctor`; `timedatectl` for the clock.",
        steps=(
            "Put certificate and key of one pair into the files. The node takes them by itself, within seconds.",
            "Set the clock, if it is wrong: `timedatectl set-ntp true`.",
        ),
    ),
    Alert(
        name="SfuWebhooksStuck",
        severity="warning",
        expression="sfu_webhook_alarm > 0",
        holds="5m",
        summary="Webhooks do not reach the platform.",
        means=(
            "`behind`: they wait for long; `large`: the outbox is; `unwritable`: they cannot be kept on "
            "disk. They are delivered once the platform answers, in order."
        ),
        look="*Webhooks* on the dashboard; the log says what the platform answered.",
        steps=(
            "Mend what does not answer at `livekit_webhook_urls`.",
            "For `unwritable`, look at the disk of `livekit_dir`.",
        ),
    ),
    Alert(
        name="SfuWebhooksLost",
        severity="critical",
        expression="increase(sfu_webhooks_lost_total[30m]) > 0",
        holds="0m",
        summary="Webhooks were given up, and will never be delivered.",
        means="The disk took none for long. The platform does not know what happened in its rooms.",
        look="The log, and *Webhooks* on the dashboard.",
        steps=(
            "Mend the disk of `livekit_dir`.",
            "Let the platform ask for the rooms as they are (`ListRooms`).",
        ),
    ),
)
