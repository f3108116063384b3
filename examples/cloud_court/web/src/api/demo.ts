/** The people whom one may play in a demonstration or a practice: the court names them, a real court names nobody. */
import { reactive } from 'vue'
import { ask, BASE, enter, http, type Me, type Schemas } from './client'

export type DemoPerson = Schemas['DemoPerson']
const IDENTITY = 'demo-identity'

export const demo = reactive<{ people: DemoPerson[] }>({ people: [] })

export async function readDemo(): Promise<DemoPerson[]> {
  if (!demo.people.length) demo.people = await ask(http.GET('/api/demo'))
  return demo.people
}

/**
 * Where a role is played. A browser keeps one log-in for each host name, and `NAME.localhost` is this machine under each name: so
 * several roles can be played in windows side by side. Elsewhere a private window for each does the same.
 */
export function addressOf(role: string): string {
  const here = new URL(BASE)
  if (['127.0.0.1', 'localhost'].includes(here.hostname) || here.hostname.endsWith('.localhost')) here.hostname = `${role}.localhost`
  return `${here.href}#/demo/${role}`
}

export async function enterAs(who: DemoPerson): Promise<Me> {
  const me = await enter(http.POST('/api/login', { body: { phone: who.phone, password: who.password } }))
  sessionStorage.setItem(IDENTITY, who.identity_number)
  return me
}

/** The number that a played role is asked for in the lobby. */
export const knownIdentity = (): string => sessionStorage.getItem(IDENTITY) ?? ''
