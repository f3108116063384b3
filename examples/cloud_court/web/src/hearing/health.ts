/** How this client's network fares, told to the officer's board every few seconds. */
import type { Room } from 'livekit-client'
import { onScopeDispose } from 'vue'
import { http, of } from '../api/client'

const PERIOD = 5000

interface Counted {
  up: number
  down: number
  lost: number
  packets: number
  rtt: number
}

async function count(room: Room): Promise<Counted> {
  const sum: Counted = { up: 0, down: 0, lost: 0, packets: 0, rtt: 0 }
  const read = (report: RTCStatsReport | undefined): void =>
    report?.forEach((each: Record<string, number | string>) => {
      if (each.type === 'outbound-rtp') sum.up += Number(each.bytesSent ?? 0)
      if (each.type === 'remote-inbound-rtp') sum.rtt = Math.max(sum.rtt, Number(each.roundTripTime ?? 0) * 1000)
      if (each.type !== 'inbound-rtp') return
      sum.down += Number(each.bytesReceived ?? 0)
      sum.lost += Math.max(0, Number(each.packetsLost ?? 0))
      sum.packets += Number(each.packetsReceived ?? 0)
    })
  for (const publication of room.localParticipant.trackPublications.values()) read(await publication.track?.getRTCStatsReport())
  for (const participant of room.remoteParticipants.values()) {
    for (const publication of participant.trackPublications.values()) read(await publication.track?.getRTCStatsReport())
  }
  return sum
}

export function tellHealth(room: Room, hearing: string): void {
  let before: Counted | null = null
  const timer = window.setInterval(async () => {
    const now = await count(room).catch(() => null)
    if (!now) return
    if (before) {
      const lost = Math.max(0, now.lost - before.lost)
      const came = Math.max(0, now.packets - before.packets)
      const body = {
        rtt_ms: now.rtt,
        loss: lost + came ? lost / (lost + came) : 0,
        up_kbps: Math.max(0, ((now.up - before.up) * 8) / PERIOD),
        down_kbps: Math.max(0, ((now.down - before.down) * 8) / PERIOD),
        blocked: false,
      }
      await http.POST('/api/hearings/{hearing_id}/health', { ...of(hearing), body }).catch(() => undefined)
    }
    before = now
  }, PERIOD)
  onScopeDispose(() => clearInterval(timer))
}
