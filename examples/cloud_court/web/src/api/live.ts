/** News of the court by one WebSocket for each page: they say what changed, and who shows it reads it again. */
import { onScopeDispose, reactive, watch } from 'vue'
import { inTurn } from '../parts/turn'
import { BASE, session } from './client'

export interface News {
  topic: string
  id: string
  what: string
  version: number
  hearing?: string | null
}

type Listener = { topics: readonly string[]; reread: (news: News) => void }

const listeners = new Set<Listener>()
const RETRY = [500, 1000, 2000, 4000, 8000]
let socket: WebSocket | null = null
let attempt = 0
let timer = 0

/** Whether news come through. */
export const live = reactive({ connected: false })

function tell(news: News): void {
  const all = news.topic === 'live'
  for (const each of [...listeners]) if (all || each.topics.includes(news.topic)) each.reread(news)
}

function connect(): void {
  if (socket || !session.me || !listeners.size) return
  const opened = new WebSocket(new URL('api/live', BASE).href.replace(/^http/, 'ws'))
  socket = opened
  opened.onmessage = (event) => {
    attempt = 0
    live.connected = true
    tell(JSON.parse(String(event.data)) as News)
  }
  opened.onclose = () => {
    if (socket === opened) socket = null
    live.connected = false
    clearTimeout(timer)
    timer = window.setTimeout(connect, RETRY[Math.min(attempt++, RETRY.length - 1)])
  }
}

function reconnect(): void {
  const former = socket
  socket = null
  attempt = 0
  former?.close()
  connect()
}

watch(() => session.me?.csrf, reconnect)
window.addEventListener('online', reconnect)
setInterval(() => socket?.readyState === WebSocket.OPEN && socket.send('ping'), 20_000)

/** Read again when one of `topics` changed, and after each break of the connection; news that come together count once. */
export function onNews(topics: readonly string[], reread: () => unknown, concerns: (news: News) => boolean = () => true): void {
  let due = 0
  const again = inTurn(async () => reread())
  const listener: Listener = {
    topics,
    reread(news) {
      if (due || (news.topic !== 'live' && !concerns(news))) return
      due = window.setTimeout(() => {
        due = 0
        void again().catch(() => undefined)
      }, 40)
    },
  }
  listeners.add(listener)
  connect()
  onScopeDispose(() => {
    clearTimeout(due)
    listeners.delete(listener)
  })
}

/** The same for what belongs to one hearing. */
export function onHearingNews(hearing: string, topics: readonly string[], reread: () => unknown): void {
  onNews(topics, reread, (news) => news.hearing === hearing || news.id === hearing)
}
