/** The signer's own key: P-256, made in this browser, kept in it for this account, and never to be exported. */
const DATABASE = 'court-keys'
const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256' } as const

function open(): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(DATABASE, 1)
    request.onupgradeneeded = () => request.result.createObjectStore('keys')
    request.onsuccess = () => resolve(request.result)
    request.onerror = () => reject(request.error ?? new Error('IndexedDB'))
  })
}

function done<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result)
    request.onerror = () => reject(request.error ?? new Error('IndexedDB'))
  })
}

async function keyOf(account: string): Promise<CryptoKeyPair> {
  const database = await open()
  try {
    const found = (await done(database.transaction('keys').objectStore('keys').get(account))) as CryptoKeyPair | undefined
    if (found) return found
    const made = await crypto.subtle.generateKey(ALGORITHM, false, ['sign', 'verify'])
    await done(database.transaction('keys', 'readwrite').objectStore('keys').put(made, account))
    return made
  } finally {
    database.close()
  }
}

export const toBase64 = (bytes: ArrayBuffer): string => btoa(String.fromCharCode(...new Uint8Array(bytes)))

export const toHex = (bytes: ArrayBuffer): string => [...new Uint8Array(bytes)].map((each) => each.toString(16).padStart(2, '0')).join('')

/** Sign a statement; the key as SPKI and the signature as r and s, both in base64. */
export async function sign(account: string, statement: string): Promise<{ public_key: string; signature: string }> {
  const key = await keyOf(account)
  const signature = await crypto.subtle.sign({ name: 'ECDSA', hash: 'SHA-256' }, key.privateKey, new TextEncoder().encode(statement))
  return { public_key: toBase64(await crypto.subtle.exportKey('spki', key.publicKey)), signature: toBase64(signature) }
}

/** What the presiding judge says to a recording's fault, signed: `build_explanation` on the server has the same bytes. */
export async function signExplanation(account: string, hearing: string, recording: string, text: string) {
  const sha256 = await hash(new TextEncoder().encode(`${recording}\n${text}\n`).buffer)
  return sign(account, `court-signature-v1\n${hearing}\nexplanation\n0\n${sha256}\n`)
}

export const hash = async (bytes: ArrayBuffer): Promise<string> => toHex(await crypto.subtle.digest('SHA-256', bytes))
