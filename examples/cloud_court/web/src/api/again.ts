/** A court that is busy says when to come again. What only reads does so by itself, so that no page stays empty. */
import type { Middleware } from 'openapi-fetch'

/** How often it is asked again, and the longest wait in seconds. */
const TIMES = 6
const MOST_S = 30

/** `send` and `wait` are those of the browser. */
export function askAgain(send: (request: Request) => Promise<Response>, wait: (seconds: number) => Promise<void>): Middleware {
  return {
    async onResponse({ request, response }) {
      let told = response
      for (let time = 0; time < TIMES && request.method === 'GET' && told.status === 503; time += 1) {
        const seconds = Number(told.headers.get('Retry-After') ?? Number.NaN)
        if (!Number.isFinite(seconds)) break
        await wait(Math.min(Math.max(seconds, 0), MOST_S))
        told = await send(new Request(request))
      }
      return told
    },
  }
}
