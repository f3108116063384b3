/* Keeps the pages, so that they open at once and without a network; what the court says is never kept. */
const KEPT = 'court-web-1'
const MOST = 150

/** The first page was there before this was: it is fetched once more, with what it names. */
async function begin() {
  const cache = await caches.open(KEPT)
  const page = await fetch('./')
  const names = [...(await page.clone().text()).matchAll(/"\.\/([^"]+)"/g)].map((each) => each[1])
  await cache.put('./', page)
  await cache.addAll(names)
}

self.addEventListener('install', (event) => event.waitUntil(begin().then(() => self.skipWaiting())))
self.addEventListener('activate', (event) => event.waitUntil(self.clients.claim()))

async function keep(request, response) {
  if (!response.ok) return
  const cache = await caches.open(KEPT)
  await cache.put(request, response)
  const keys = await cache.keys()
  await Promise.all(keys.slice(0, Math.max(0, keys.length - MOST)).map((each) => cache.delete(each)))
}

async function answer(event) {
  const { request } = event
  const hashed = new URL(request.url).pathname.includes('/assets/') // its name holds a hash of its content
  const kept = await caches.match(request)
  if (hashed && kept) return kept
  try {
    const response = await fetch(request)
    event.waitUntil(keep(request, response.clone()))
    return response
  } catch (error) {
    const known = kept ?? (request.mode === 'navigate' ? await caches.match('./') : undefined)
    if (known) return known
    throw error
  }
}

self.addEventListener('fetch', (event) => {
  const url = new URL(event.request.url)
  const scope = new URL(self.registration.scope)
  const path = url.pathname.slice(scope.pathname.length)
  const ours = url.origin === scope.origin && url.pathname.startsWith(scope.pathname)
  const says = /(^|\/)(api|media)(\/|$)/.test(path) // the court, or a practice below it
  if (event.request.method === 'GET' && ours && !says) event.respondWith(answer(event))
})
