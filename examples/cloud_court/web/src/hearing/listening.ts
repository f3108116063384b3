/** What is being recorded, a few seconds late, out of the record itself. */
import { onScopeDispose, ref } from 'vue'
import { ask, http } from '../api/client'

const PERIOD = 1500
/** Pieces are played so long after they came, so that none is late. */
const AHEAD = 0.5

export function useListening(hearing: string) {
  const on = ref(false)
  const level = ref(0)
  const until = ref(0)
  let context: AudioContext | undefined
  let timer = 0
  let next = 0

  async function take(): Promise<void> {
    const asked = { params: { path: { hearing_id: hearing }, query: { after_us: until.value } }, parseAs: 'arrayBuffer' as const }
    let came = 0
    const data = await ask(
      http.GET('/api/hearings/{hearing_id}/recording/sound', asked).then((answer) => {
        came = Number(answer.response.headers.get('Record-Until') ?? 0)
        return answer
      }),
    )
    if (!context || !came || !(data instanceof ArrayBuffer)) return
    const sound = await context.decodeAudioData(data)
    until.value = came
    level.value = sound.getChannelData(0).reduce((most, each) => Math.max(most, Math.abs(each)), 0)
    const source = context.createBufferSource()
    source.buffer = sound
    source.connect(context.destination)
    next = Math.max(next, context.currentTime + AHEAD)
    source.start(next)
    next += sound.duration
  }

  async function loop(): Promise<void> {
    await take()
    if (on.value) timer = window.setTimeout(() => void loop().catch(stop), PERIOD)
  }

  async function start(): Promise<void> {
    on.value = true
    context = new AudioContext()
    try {
      await loop()
    } catch (error) {
      stop()
      throw error
    }
  }

  function stop(): void {
    on.value = false
    until.value = level.value = next = 0
    clearTimeout(timer)
    void context?.close()
    context = undefined
  }

  onScopeDispose(stop)
  return { on, level, until, start, stop }
}
