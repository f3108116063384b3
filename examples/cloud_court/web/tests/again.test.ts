import createClient from 'openapi-fetch'
import { describe, expect, it } from 'vitest'
import { askAgain } from '../src/api/again'

/** A client of a court that answers with these statuses, one after the other; what it waited, and how often it asked. */
function meet(statuses: number[], retryAfter: string | null = '5') {
  const waited: number[] = []
  let asked = 0
  const send = async (): Promise<Response> => {
    const status = statuses[Math.min(asked, statuses.length - 1)]!
    asked += 1
    const headers: Record<string, string> = { 'Content-Type': 'application/json' }
    if (status === 503 && retryAfter !== null) headers['Retry-After'] = retryAfter
    return new Response(JSON.stringify({ status }), { status, headers })
  }
  const http = createClient<Record<string, never>>({ baseUrl: 'http://court.test', fetch: send }) as unknown as {
    use: (middleware: ReturnType<typeof askAgain>) => void
    GET: (path: string) => Promise<{ response: Response }>
    POST: (path: string) => Promise<{ response: Response }>
  }
  http.use(
    askAgain(send, async (seconds) => {
      waited.push(seconds)
    }),
  )
  return { http, waited, asked: () => asked }
}

describe('a court that is busy', () => {
  it('is asked again when it says so, and what it answers then counts', async () => {
    const { http, waited } = meet([503, 503, 200])
    expect((await http.GET('/api/hearings')).response.status).toBe(200)
    expect(waited).toEqual([5, 5])
  })

  it('is not asked for ever, and never after too long', async () => {
    const { http, waited } = meet([503], '4000')
    expect((await http.GET('/api/hearings')).response.status).toBe(503)
    expect(waited).toEqual(Array(6).fill(30))
  })

  it('is left alone where it says no time, refuses for another reason, or something was to change', async () => {
    for (const [statuses, retryAfter, method] of [
      [[503, 200], null, 'GET'],
      [[409, 200], '5', 'GET'],
      [[503, 200], '5', 'POST'],
    ] as const) {
      const { http, asked } = meet([...statuses], retryAfter)
      await http[method]('/api/hearings')
      expect(asked()).toBe(1)
    }
  })
})
