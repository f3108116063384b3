/* Keeps the pages, so that they open at once and without a network; what the court says is never kept. */
const KEPT = 'court-web-1'
const MOST = 150

self.addEventListener('install', () => self.skipWaiting())
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
    if (kept) return kept
    throw error
  }
}

self.addEventListener('fetch', (event) => {
  const url = new URL(event.request.url)
  const scope = new URL(self.registration.scope)
  const path = url.pathname.slice(scope.pathname.length)
  const ours = url.origin === scope.origin && url.pathname.startsWith(scope.pathname)
  if (event.request.method === 'GET' && ours && !path.startsWith('api/') && !path.startsWith('media')) event.respondWith(answer(event))
})
