/** The demonstration's people, as `court.demo` seeds them into a demonstration and into each practice. */
import { BASE, enter, http, type Me } from './client'
import { court } from './court'

export interface DemoRole {
  role: string
  phone: string
  identity_number: string
}

const PASSWORD = 'yunfating-demo'
const IDENTITY = 'demo-identity'

export const DEMO: readonly DemoRole[] = [
  { role: 'judge', phone: '13800000001', identity_number: '110105198001000010' },
  { role: 'clerk', phone: '13800000002', identity_number: '110105198001000029' },
  { role: 'plaintiff', phone: '13800000011', identity_number: '110105198001000045' },
  { role: 'defendant', phone: '13800000012', identity_number: '110105198001000053' },
  { role: 'lawyer', phone: '13800000013', identity_number: '110105198001000061' },
  { role: 'witness', phone: '13800000014', identity_number: '11010519800100007X' },
  { role: 'interpreter', phone: '13800000015', identity_number: '110105198001000088' },
  { role: 'gallery', phone: '13800000016', identity_number: '110105198001000096' },
  { role: 'courtroom', phone: '13800000017', identity_number: '110105198001000109' },
  { role: 'technician', phone: '13800000003', identity_number: '110105198001000037' },
]

/** Roles are offered where other services are stand-ins, too: never by a real court. */
export const offersRoles = (): boolean => Boolean(court.is?.standins)

/**
 * Where a role is played. A browser keeps one log-in for each host name, and `NAME.localhost` is this machine under each name: so
 * several roles can be played in windows side by side. Elsewhere a private window for each does the same.
 */
export function addressOf(role: string): string {
  const here = new URL(BASE)
  if (['127.0.0.1', 'localhost'].includes(here.hostname) || here.hostname.endsWith('.localhost')) here.hostname = `${role}.localhost`
  return `${here.href}#/demo/${role}`
}

export async function enterAs(who: DemoRole): Promise<Me> {
  const me = await enter(http.POST('/api/login', { body: { phone: who.phone, password: PASSWORD } }))
  sessionStorage.setItem(IDENTITY, who.identity_number)
  return me
}

/** The number that a played role is asked for in the lobby. */
export const knownIdentity = (): string => sessionStorage.getItem(IDENTITY) ?? ''
