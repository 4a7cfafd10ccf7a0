// What the pages need beside the stand-in: the built peers, and the backend's two endpoints on an origin of their own. Both
// are as far away as the stand-in is told to be. The backend's own way to Supabase costs nothing here: it would for both.
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'

const TYPES = { html: 'text/html', js: 'text/javascript', wasm: 'application/wasm' }
// Isolated pages have a clock of 5 µs, others of 100.
const ISOLATED = { 'cross-origin-opener-policy': 'same-origin', 'cross-origin-embedder-policy': 'require-corp' }
const PAGE = '<!doctype html><title>bench</title><script type="module" src="/page/page.js"></script>'
const packed = promisify(gzip)

/**
 * @param {{ dist: URL, sources: URL, token: (user: string) => Promise<object>, ensure: (me: string, other: string) => Promise<string> }} parts
 */
export async function serve({ dist, sources, token, ensure }) {
  let latency = 0
  let connectRoundTrips = 0
  // As in HTTP/2, which browsers would speak: what they ask at once shares a connection, one with cookies and one without.
  const connected = new Map()
  let requests = 0
  const files = new Map()

  async function file(path) {
    if (!files.has(path)) {
      const found = /^\/page\/[\w.-]+$/.test(path) ? new URL(path.slice(1), sources) : new URL(path.slice(1), dist)
      files.set(path, await packed(await readFile(found), { level: 9 }))
    }
    return files.get(path)
  }

  async function connect({ socket, headers }) {
    const kind = Boolean(headers.cookie)
    if (!connected.has(kind)) connected.set(kind, socket.accepted + connectRoundTrips * latency)
    const left = connected.get(kind) - performance.now()
    if (left > 0) await sleep(left)
  }

  const far = (answer, connects = () => {}) =>
    createServer(async (request, response) => {
      requests += 1
      await connects(request)
      await sleep(latency / 2)
      const { status = 200, headers = {}, body = '' } = await answer(request).catch((error) => ({ status: 500, body: String(error) }))
      await sleep(latency / 2)
      response.writeHead(status, headers).end(body)
    }).on('connection', (socket) => Object.assign(socket, { accepted: performance.now() }))

  // The page came from there, so that connection stands.
  const pages = far(async ({ url }) => {
    if (url === '/') return { headers: { 'content-type': TYPES.html, ...ISOLATED }, body: PAGE }
    const body = await file(url).catch(() => undefined)
    if (!body) return { status: 404 }
    const headers = { 'content-type': TYPES[url.split('.').at(-1)], 'content-encoding': 'gzip', 'cache-control': 'max-age=600' }
    return { headers: { ...headers, ...ISOLATED }, body }
  })

  const backend = far(async (request) => {
    const headers = {
      'access-control-allow-origin': request.headers.origin ?? '',
      'access-control-allow-credentials': 'true',
      'access-control-allow-methods': 'GET, POST',
      'access-control-allow-headers': 'content-type',
      'access-control-max-age': '600',
      'cache-control': 'no-store',
      'content-type': 'application/json',
    }
    if (request.method === 'OPTIONS') return { status: 204, headers }
    const [, user, me] = /who=([\w-]+)\.(\w+)/.exec(request.headers.cookie ?? '') ?? []
    if (!user) return { status: 401, headers, body: '{"code":"signed-out","message":"Signed out."}' }
    if (request.url === '/api/chat/token') return { headers, body: JSON.stringify(await token(user)) }
    let text = ''
    for await (const chunk of request) text += chunk
    return { headers, body: JSON.stringify({ thread_id: await ensure(me, JSON.parse(text).other_mongo_id) }) }
  }, connect)

  const at = (server) => new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(`http://127.0.0.1:${server.address().port}`)))
  return {
    pages: await at(pages),
    backend: await at(backend),
    setDistance(ms, roundTrips) {
      latency = ms
      connectRoundTrips = roundTrips
      connected.clear()
    },
    requests: () => requests,
    close() {
      for (const server of [pages, backend]) {
        server.close()
        server.closeAllConnections()
      }
    },
  }
}
