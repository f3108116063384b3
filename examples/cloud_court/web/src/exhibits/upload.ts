/** Uploads by tus: they go on after a break of the network, and after the page was closed. */
import { BASE, Problem, session } from '../api/client'
import { cut } from './batch'

const CHUNK = 4 * 1024 * 1024
const RETRIES = [0, 1000, 3000, 5000, 10_000, 20_000, 30_000]

type Purpose = 'exhibit' | 'material' | 'filing'

async function sendPart(
  part: Blob,
  name: string,
  purpose: Purpose,
  target: string,
  index: number,
  tell: (sent: number) => void,
): Promise<void> {
  const { Upload, DetailedError } = await import('tus-js-client')
  await new Promise<void>((resolve, reject) => {
    const upload = new Upload(part, {
      endpoint: new URL('api/uploads', BASE).href,
      chunkSize: CHUNK,
      retryDelays: RETRIES,
      headers: { 'X-CSRF': session.me?.csrf ?? '' },
      metadata: { filename: name, purpose, target, index: String(index) },
      fingerprint: async () => ['court', purpose, target, index, name, part.size].join('|'),
      removeFingerprintOnSuccess: true,
      // who is offline waits as long as the delays last, and goes on at once when the network is back
      onShouldRetry(error) {
        const status = error.originalResponse?.getStatus() ?? 0
        return status < 400 || status >= 500 || status === 409 || status === 423
      },
      onProgress: tell,
      onSuccess: () => (stop(), resolve()),
      onError(error) {
        stop()
        const response = error instanceof DetailedError ? error.originalResponse : null
        if (!response) return reject(new Problem('network', 0, {}))
        try {
          const facts = JSON.parse(response.getBody()) as Record<string, unknown>
          reject(new Problem(String(facts.code), response.getStatus(), facts))
        } catch {
          reject(new Problem(`http.${response.getStatus()}`, response.getStatus(), {}))
        }
      },
    })
    const again = () => void upload.abort().then(() => upload.start())
    const stop = () => window.removeEventListener('online', again)
    window.addEventListener('online', again)
    void upload.findPreviousUploads().then((former) => {
      if (former[0]) upload.resumeFromPreviousUpload(former[0])
      upload.start()
    })
  })
}

/** Send a file, in parts of at most `limit` bytes; `tell` is given the share that has gone, 0 to 1. */
export async function send(file: File, purpose: Purpose, target: string, limit: number, tell: (share: number) => void): Promise<void> {
  for (const [index, [begin, end]] of cut(file.size, limit).entries()) {
    await sendPart(file.slice(begin, end), file.name, purpose, target, index, (sent) => tell((begin + sent) / file.size))
  }
  tell(1)
}
