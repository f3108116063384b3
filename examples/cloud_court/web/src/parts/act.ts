/** What a click does: one at a time, and what the court refuses is said. */
import { reactive, ref, type Ref } from 'vue'
import { Problem } from '../api/client'
import { i18n } from '../i18n'
import { bytes } from './format'

export const toasts = reactive<{ id: number; text: string; bad: boolean }[]>([])
let count = 0

export function say(text: string, bad = false): void {
  const id = ++count
  toasts.push({ id, text, bad })
  setTimeout(() => dismiss(id), bad ? 8000 : 3500)
}

export function dismiss(id: number): void {
  const at = toasts.findIndex((each) => each.id === id)
  if (at >= 0) toasts.splice(at, 1)
}

/** A refusal in the reader's language. */
export function explain(error: unknown): string {
  const { t, te } = i18n.global
  if (!(error instanceof Problem)) return t('problem.unknown', { detail: error instanceof Error ? error.message : String(error) })
  const key = `problem.${error.code.replaceAll('.', '_')}`
  const facts = { ...error.facts } as Record<string, unknown>
  for (const name of ['size', 'limit']) if (error.code === 'exhibit.too_large') facts[name] = bytes(Number(facts[name]))
  for (const name of ['state', 'act']) {
    if (typeof facts[name] !== 'string') continue
    for (const area of ['state', 'act', 'exhibit.state', 'exhibit.act']) {
      if (te(`${area}.${facts[name]}`)) facts[name] = t(`${area}.${facts[name]}`)
    }
  }
  return te(key) ? t(key, facts) : t('problem.unknown', { detail: error.message })
}

export function useAct(): { busy: Ref<boolean>; run: (work: () => Promise<unknown>, done?: string) => Promise<boolean> } {
  const busy = ref(false)
  async function run(work: () => Promise<unknown>, done?: string): Promise<boolean> {
    if (busy.value) return false
    busy.value = true
    try {
      await work()
      if (done) say(done)
      return true
    } catch (error) {
      say(explain(error), true)
      return false
    } finally {
      busy.value = false
    }
  }
  return { busy, run }
}
