// A server inside the page, for what no network should blur: it stands in for `fetch` and `WebSocket`, answers at once, and
// sends the frames it is told to send. The frames are those of a Realtime server, vsn 2.0.0.

const START = Date.UTC(2026, 0, 1)
const ME = '11111111-1111-4111-8111-111111111111'
const encoder = new TextEncoder()

/** What went over the wire: HTTP counts the URL, the headers that the page sets and both bodies. */
export const traffic = { requests: 0, framesOut: 0, framesIn: 0, bytes: 0 }

/** A row of a thread by its number. */
export function row(threadId, seq) {
  const [a, b] = threadId.split('__')
  const mine = seq % 2 === 0
  return {
    id: `00000000-0000-4000-8000-${String(seq).padStart(12, '0')}`,
    thread_id: threadId,
    sender_supabase_id: ME,
    sender_mongo_id: mine ? a : b,
    recipient_mongo_id: mine ? b : a,
    body: `Message ${seq} of a chat about onions, and who of us two is going to chop them today.`,
    created_at: new Date(START + seq * 1000).toISOString().replace('Z', '000+00:00'),
    seq,
  }
}

/** The frame that tells of a row. */
export function broadcast(threadId, seq) {
  const record = row(threadId, seq)
  const payload = { id: record.id, table: 'chat_messages', record, schema: 'public', operation: 'INSERT', old_record: null }
  const parts = [`realtime:chat:${threadId}`, 'INSERT', JSON.stringify({ id: record.id })].map((text) => encoder.encode(text))
  const body = encoder.encode(JSON.stringify(payload))
  const frame = new Uint8Array(5 + parts.reduce((sum, part) => sum + part.length, 0) + body.length)
  frame.set([4, ...parts.map((part) => part.length), 1])
  let at = 5
  for (const part of [...parts, body]) {
    frame.set(part, at)
    at += part.length
  }
  return frame.buffer
}

class Events extends EventTarget {
  dispatchEvent(event) {
    this[`on${event.type}`]?.(event)
    return super.dispatchEvent(event)
  }
}

/** @type {FakeSocket | undefined} the last that was opened */
let socket

class FakeSocket extends Events {
  static CONNECTING = 0
  static OPEN = 1
  static CLOSING = 2
  static CLOSED = 3
  readyState = 0
  binaryType = 'blob'
  bufferedAmount = 0
  protocol = ''
  extensions = ''

  constructor(url) {
    super()
    this.url = url
    socket = this
    queueMicrotask(() => {
      this.readyState = 1
      this.dispatchEvent(new Event('open'))
    })
  }

  send(data) {
    traffic.framesOut += 1
    traffic.bytes += data.length ?? data.byteLength
    const [joinRef, ref, topic, event] = JSON.parse(data)
    if (event === 'access_token') return
    queueMicrotask(() => this.receive(JSON.stringify([joinRef, ref, topic, 'phx_reply', { status: 'ok', response: {} }])))
    if (event === 'phx_leave') queueMicrotask(() => this.receive(JSON.stringify([joinRef, joinRef, topic, 'phx_close', {}])))
  }

  receive(data) {
    if (this.readyState !== 1) return
    traffic.framesIn += 1
    traffic.bytes += data.length ?? data.byteLength
    this.dispatchEvent(new MessageEvent('message', { data }))
  }

  close(code = 1000, reason = '') {
    if (this.readyState === 3) return
    this.readyState = 3
    queueMicrotask(() => this.dispatchEvent(new CloseEvent('close', { code, reason, wasClean: true })))
  }
}

/** How many messages each thread has. */
export const lengths = new Map()

function page(threadId, after, before, limit) {
  const rows = []
  for (let seq = Math.min(before - 1, lengths.get(threadId) ?? 0); seq > after && rows.length < limit; seq--) rows.push(row(threadId, seq))
  return rows
}

function answer(url, init) {
  if (url.pathname.endsWith('/api/chat/token')) {
    const claims = { sub: ME, role: 'authenticated', exp: Math.floor(Date.now() / 1000) + 3600 }
    const part = (value) => btoa(JSON.stringify(value)).replace(/=+$/, '')
    return { access_token: `${part({ alg: 'HS256', typ: 'JWT' })}.${part(claims)}.${'s'.repeat(43)}`, expires_in: 3600 }
  }
  if (url.pathname.endsWith('/ensure')) return { thread_id: 'x' }
  if (url.pathname.endsWith('/list_chat_messages')) {
    const { _thread_id, _after, _before = Infinity, _limit } = JSON.parse(init.body)
    return page(_thread_id, _after, _before, _limit)
  }
  if (url.pathname.endsWith('/sync_chat')) {
    const threads = JSON.parse(init.body)._threads.map(({ thread_id, after }) => ({ thread_id, last_seq: lengths.get(thread_id) ?? 0, messages: page(thread_id, after, Infinity, 50) }))
    return { threads }
  }
  if (url.pathname.endsWith('/chat_messages')) {
    const threadId = url.searchParams.get('thread_id').slice(3)
    const bound = (name, operator) => url.searchParams.getAll(name).find((value) => value.startsWith(operator))?.slice(operator.length)
    const above = Number(bound('seq', 'gt.') ?? 0)
    const time = bound('created_at', 'lt.')
    const below = Number(bound('seq', 'lt.') ?? (time ? (Date.parse(time) - START) / 1000 : Infinity))
    return page(threadId, above, below, Number(url.searchParams.get('limit')))
  }
  throw new TypeError(`the fake server has no ${init?.method ?? 'GET'} ${url.pathname}`)
}

const realFetch = globalThis.fetch

export function install() {
  globalThis.WebSocket = FakeSocket
  globalThis.fetch = async (input, init) => {
    const url = new URL(input.url ?? input, location.href)
    if (url.origin === location.origin) return realFetch(input, init)
    const body = JSON.stringify(answer(url, init))
    const headers = [...new Headers(init?.headers)].reduce((sum, [name, value]) => sum + name.length + value.length + 4, 0)
    traffic.requests += 1
    traffic.bytes += url.href.length + headers + (init?.body?.length ?? 0) + body.length
    return new Response(body, { headers: { 'content-type': 'application/json' } })
  }
}

/** Every frame in a task of its own, as a browser brings them. */
export function deliver(frames, hear = (data) => socket.receive(data)) {
  const { port1, port2 } = new MessageChannel()
  let at = 0
  port1.onmessage = () => {
    hear(frames[at++])
    if (at === frames.length) port1.close()
  }
  for (let n = 0; n < frames.length; n++) port2.postMessage(null)
}
