/** One clock for all pictures and sounds of a record: it stands while one of them is not ready, and corrects who drifts. */
import { onScopeDispose, ref } from 'vue'

export interface Timed {
  element: HTMLMediaElement
  /** Whether there is something at this second. */
  has: (at: number) => boolean
}

const PERIOD = 100
/** Seconds that one may be off before it is put right. */
const DRIFT = 0.3
/** Seconds after which the others go on without one that does not come. */
const PATIENCE = 8

export function usePlayback(duration: () => number, media: () => Timed[], skip: (at: number) => number) {
  const at = ref(0)
  const playing = ref(false)
  const waits = ref(false)
  let since = 0

  function follow(each: Timed): boolean {
    const { element } = each
    if (!each.has(at.value) || element.error) {
      element.pause()
      return true
    }
    if (Math.abs(element.currentTime - at.value) > DRIFT && !element.seeking) element.currentTime = at.value
    return !element.seeking && element.readyState >= HTMLMediaElement.HAVE_FUTURE_DATA
  }

  function tick(): void {
    const passed = (performance.now() - since) / 1000
    const ready = media().map(follow).every(Boolean)
    waits.value = playing.value && !ready && passed < PATIENCE
    for (const each of media()) {
      const runs = playing.value && !waits.value && each.has(at.value)
      if (runs && each.element.paused) void each.element.play().catch(() => undefined)
      if (!runs && !each.element.paused) each.element.pause()
    }
    if (!playing.value || waits.value) return
    since = performance.now()
    at.value = Math.min(duration(), skip(at.value + Math.min(passed, 1)))
    if (at.value >= duration()) playing.value = false
  }

  function seek(to: number): void {
    at.value = Math.max(0, Math.min(duration(), to))
    since = performance.now()
    tick()
  }

  function play(on: boolean): void {
    playing.value = on
    since = performance.now()
    tick()
  }

  const timer = window.setInterval(tick, PERIOD)
  onScopeDispose(() => clearInterval(timer))
  return { at, playing, waits, seek, play }
}
