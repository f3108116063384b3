/** The court's API: paths and bodies are those of its OpenAPI document (`npm run api`); a refusal is a `Problem`. */
import createClient from 'openapi-fetch'
import { reactive } from 'vue'
import { askAgain } from './again'
import type { components, paths } from './schema'

export type Schemas = components['schemas']
export type Me = Schemas['MeOut']
export type Hearing = Schemas['HearingFull']
export type HearingRow = Schemas['HearingOut']
export type Person = Schemas['PersonOut'] & Partial<Schemas['StaffPersonOut']>
/** The document calls `parts` optional, since the server gives it a default; an answer always has it. */
export type Exhibit = Required<Schemas['ExhibitOut']>
export type Transcript = Schemas['TranscriptOut']
export type Consultation = Schemas['ConsultationOut']

/** Where the court is mounted; ends with a slash. */
export const BASE = new URL('.', location.href.split('#')[0]).href

/** Who is logged in; `csrf` is the word that each change carries. `cut`: a page was asked for, and the court could not be reached. */
export const session = reactive<{ me: Me | null; known: boolean; cut: boolean }>({ me: null, known: false, cut: false })

/** What the court refuses: `code` is translated, `facts` stand in the sentence. */
export class Problem extends Error {
  constructor(
    readonly code: string,
    readonly status: number,
    readonly facts: Record<string, unknown>,
  ) {
    super(typeof facts.detail === 'string' ? facts.detail : code)
  }
}

export const http = createClient<paths>({ baseUrl: BASE.replace(/\/$/, ''), credentials: 'same-origin' })

http.use({
  async onRequest({ request }) {
    if (request.method === 'GET') return request
    await whoAmI().catch(() => null)
    if (session.me) request.headers.set('X-CSRF', session.me.csrf)
    return request
  },
})

const wait = (seconds: number) => new Promise<void>((resolve) => setTimeout(resolve, 1000 * seconds))
http.use(askAgain((request) => fetch(request), wait))

/** What was answered, or a `Problem`. A court that cannot be reached is one, too: `network`. */
export async function ask<T>(answer: Promise<{ data?: T; error?: unknown; response: Response }>): Promise<T> {
  let told
  try {
    told = await answer
  } catch {
    throw new Problem('network', 0, {})
  }
  if (!told.response.ok) {
    const facts = (typeof told.error === 'object' && told.error !== null ? told.error : {}) as Record<string, unknown>
    throw new Problem(String(facts.code ?? `http.${told.response.status}`), told.response.status, facts)
  }
  return told.data as T
}

/** The path of a hearing. */
export const of = (hearing_id: string) => ({ params: { path: { hearing_id } } })

/** Log in, by whatever way answers with `MeOut`. */
export async function enter(answer: Promise<{ data?: Me; error?: unknown; response: Response }>): Promise<Me> {
  session.me = await ask(answer)
  session.known = true
  return session.me
}

/** Who is logged in, asked once for each page load. */
export async function whoAmI(): Promise<Me | null> {
  if (session.known) return session.me
  try {
    const me = await ask(http.GET('/api/me'))
    if (!session.known) session.me = me // who has logged in meanwhile is another
  } catch (error) {
    if (!(error instanceof Problem) || error.status !== 401) throw error
  }
  session.known = true
  return session.me
}

export async function logOut(): Promise<void> {
  await ask(http.POST('/api/logout'))
  session.me = null
}

export const isStaff = (): boolean => ['judge', 'clerk', 'technician'].includes(session.me?.account.office ?? '')
