/** What a self-test measures; each step gives up to 25 points. */
import { BASE } from '../api/client'

export const FULL = 25

/** Whether this browser can attend at all. */
export function isSupported(): boolean {
  return Boolean(navigator.mediaDevices?.getUserMedia) && 'RTCPeerConnection' in window && 'WebSocket' in window
}

/** Why a device cannot be used, as a key of the texts. */
export function deviceTrouble(error: unknown): 'blocked' | 'missing' | 'busy' | 'failed' {
  const name = error instanceof DOMException ? error.name : ''
  if (name === 'NotAllowedError' || name === 'SecurityError') return 'blocked'
  if (name === 'NotFoundError' || name === 'OverconstrainedError') return 'missing'
  return name === 'NotReadableError' || name === 'AbortError' ? 'busy' : 'failed'
}

/** Points of a round trip time and its spread, both in milliseconds. */
export function scoreNetwork(rtts: readonly number[]): { points: number; rtt: number; jitter: number } {
  if (!rtts.length) return { points: 0, rtt: 0, jitter: 0 }
  const sorted = [...rtts].sort((a, b) => a - b)
  const rtt = sorted[Math.floor(sorted.length / 2)]!
  const jitter = sorted[sorted.length - 1]! - sorted[0]!
  let points = FULL
  if (rtt > 150) points -= 5
  if (rtt > 400) points -= 8
  if (rtt > 1000) points -= 7
  if (jitter > 500) points -= 5
  return { points, rtt: Math.round(rtt), jitter: Math.round(jitter) }
}

export async function measureNetwork(count = 6): Promise<number[]> {
  const rtts: number[] = []
  for (let i = 0; i <= count; i++) {
    const begun = performance.now()
    try {
      await fetch(new URL(`api/court?probe=${i}`, BASE), { cache: 'no-store' })
      if (i) rtts.push(performance.now() - begun) // the first one opens the connection
    } catch {
      return rtts
    }
  }
  return rtts
}

/** The loudest of what a microphone gives in some seconds, 0 to 1; `tell` is given each level. */
export async function listen(stream: MediaStream, seconds: number, tell: (level: number) => void): Promise<number> {
  const context = new AudioContext()
  await context.resume()
  const analyser = context.createAnalyser()
  context.createMediaStreamSource(stream).connect(analyser)
  const samples = new Float32Array(analyser.fftSize)
  let loudest = 0
  const end = performance.now() + seconds * 1000
  while (performance.now() < end && loudest < 0.2) {
    await new Promise((resolve) => setTimeout(resolve, 50))
    analyser.getFloatTimeDomainData(samples)
    const level = samples.reduce((most, each) => Math.max(most, Math.abs(each)), 0)
    loudest = Math.max(loudest, level)
    tell(level)
  }
  await context.close()
  return loudest
}

export async function playTone(): Promise<void> {
  const context = new AudioContext()
  await context.resume()
  const gain = context.createGain()
  gain.gain.value = 0.15
  gain.connect(context.destination)
  for (const [at, hertz] of [
    [0, 523],
    [0.35, 659],
    [0.7, 784],
  ] as const) {
    const tone = context.createOscillator()
    tone.frequency.value = hertz
    tone.connect(gain)
    tone.start(context.currentTime + at)
    tone.stop(context.currentTime + at + 0.3)
  }
  setTimeout(() => void context.close(), 1500)
}
