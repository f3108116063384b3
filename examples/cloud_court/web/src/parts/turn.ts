/** Readings of the same thing never overlap: an older answer would otherwise come last and stay. */

/** Calls while one runs lead to one more after it, for all of them, so each caller sees what is true after the call. */
export function inTurn(read: () => Promise<unknown>): () => Promise<void> {
  let running: Promise<void> | null = null
  let next: Promise<void> | null = null
  async function run(): Promise<void> {
    try {
      await read()
    } finally {
      running = null
    }
  }
  return () => {
    if (!running) return (running = run())
    const after = (): Promise<void> => {
      next = null
      return (running = run())
    }
    return (next ??= running.then(after, after))
  }
}
