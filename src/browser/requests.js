// What a page asks of its own backend and of PostgREST, for the engine and before there is one: `prefetch` starts what every
// chat starts with while the WebAssembly is still on its way, and who asks for the very same within ten seconds gets it.

import { parseText, readOptions } from './values.js'

/**
 * What came of a request: HTTP status, body as JSON (`undefined` if it is none), Retry-After. `undefined` without an answer.
 * @typedef {[number, unknown, (string | null)?] | undefined} Answer
 */

/**
 * What left early, by what it asks. Each is handed over once.
 * @type {Map<string, { since: number[], answer: Promise<Answer>, end: AbortController }>}
 */
const early = new Map()
/** The same of sockets, by URL. @type {Map<string, { since: number[], socket: WebSocket }>} */
const earlySockets = new Map()
/** Whose it is. */
let person

const KEPT_MS = 10_000

/** By which function the first page of a thread is read. A build that knows of changes has another. */
export const pages = { messages: 'messages?select=id,thread_id,sender_mongo_id,body,created_at,seq' }

// One clock may jump, and the other stand still while the device sleeps.
const clocks = () => [performance.now(), Date.now()]
const age = ({ since }) => Math.max(...clocks().map((now, n) => now - since[n]))

/** Forgets and ends what left early and is not wanted any more. */
export function dropEarly() {
  for (const { end } of early.values()) end.abort()
  for (const { socket } of earlySockets.values()) socket.close()
  early.clear()
  earlySockets.clear()
  // A token that is still on its way asks for no page any more.
  person = undefined
}

/** Takes what is under `key` out of `kept`, unless it is too old. */
function take(kept, key) {
  const found = kept.get(key)
  kept.delete(key)
  return found && age(found) < KEPT_MS ? found : undefined
}

/**
 * What left early under `key`, or what `start` asks now. `use` makes of an early answer what it is by now; nothing, if it is
 * asked for again.
 */
async function ask(key, signal, start, use = (answer) => answer) {
  const found = take(early, key)
  if (!found) return start(signal)
  signal?.addEventListener('abort', () => found.end.abort())
  const answer = await found.answer
  return use(answer, found) ?? (found.end.signal.aborted ? undefined : start(signal))
}

/** Starts it early. @returns {Promise<Answer>} */
function begin(key, start) {
  const known = early.get(key)
  if (known) return known.answer
  const end = new AbortController()
  const entry = { since: clocks(), answer: start(end.signal), end }
  early.set(key, entry)
  const forget = () => early.get(key) === entry && early.delete(key)
  // What failed may work in a moment.
  void entry.answer.then((answer) => worked(answer) || forget())
  setTimeout(forget, KEPT_MS)
  return entry.answer
}

const worked = (answer) => answer !== undefined && answer[0] >= 200 && answer[0] < 300

/** @returns {Promise<Answer>} */
async function fetched(url, init, body) {
  try {
    const headers = { ...init.headers }
    if (body !== undefined) headers['content-type'] = 'application/json'
    // No cache keeps a POST; and of one that says no-store, Chromium forgets the preflight as well.
    const how = body === undefined ? { cache: 'no-store' } : { method: 'POST', body }
    const response = await fetch(url, { ...how, ...init, headers })
    const text = await response.text()
    return [response.status, parseText(text), response.headers.get('retry-after')]
  } catch {
    return undefined
  }
}

/** Calls a function of the page. What it throws with a `status` counts as that answer. @returns {Promise<Answer>} */
async function called(callback, argument, statusOfNothing) {
  try {
    const given = await callback(argument)
    return given == null ? [statusOfNothing, undefined] : [200, given]
  } catch (thrown) {
    const status = thrown?.status
    return Number.isInteger(status) && status >= 100 && status <= 599 ? [status, thrown] : undefined
  }
}

// To the page's own backend, with its cookies. A GET carries no header of ours, so that it needs no preflight.
const startToken = (source) => (signal) =>
  typeof source === 'string' ? fetched(source, { credentials: 'include', signal }) : called(source, undefined, 401)
const startEnsure = (source, body) => (signal) =>
  typeof source === 'string'
    ? fetched(source, { credentials: 'include', signal }, body)
    : called(source, JSON.parse(body).other_mongo_id, 200)
// To PostgREST, which wants the key beside the token.
const startRpc = (url, key, token, body) => (signal) =>
  fetched(url, { credentials: 'omit', signal, headers: { apikey: key, authorization: `Bearer ${token}` } }, body)

const tokenKey = (source, me) => JSON.stringify(['token', typeof source === 'string' && source, me])
const ensureKey = (source, body) => JSON.stringify(['ensure', typeof source === 'string' && source, body])
const rpcKey = (url, token, body) => JSON.stringify([url, token, body])

/** Asks, and tells `answered` unless it is aborted by what is returned. */
function tell(id, answered, asking) {
  const end = new AbortController()
  const told = ([status, body, retryAfter] = [0]) => {
    if (end.signal.aborted) return
    answered(id, status, body ?? undefined, /^\d+$/.test(retryAfter) ? Number(retryAfter) : -1)
  }
  asking(end.signal).then(told, () => told())
  return end
}

/** The access token of `me`. */
export const askToken = (id, answered, source, me) =>
  tell(id, answered, (signal) =>
    ask(tokenKey(source, me), signal, startToken(source), (answer, found) => {
      if (!worked(answer)) return answer
      const { expires_in: life } = answer[1] ?? {}
      const left = Math.floor(life - age(found) / 1000)
      // As old as its request.
      return left > 0 ? [answer[0], { ...answer[1], expires_in: left }] : undefined
    }),
  )

/** The thread. */
export const askEnsure = (id, answered, source, body) =>
  tell(id, answered, (signal) => ask(ensureKey(source, body), signal, startEnsure(source, body)))

/** A function of the database. `mayBeEarly`: what was asked a moment ago will do. */
export const askRpc = (id, answered, url, key, token, body, mayBeEarly) =>
  tell(id, answered, (signal) => {
    const start = startRpc(url, key, token, body)
    if (!mayBeEarly) return start(signal)
    // Nothing at all may be what there was before the thread was made.
    const isEmpty = (answer) => (answer?.[1]?.messages ?? answer?.[1])?.length === 0
    return ask(rpcKey(url, token, body), signal, start, (answer) => (isEmpty(answer) ? undefined : answer))
  })

/** The WebSocket of `url`, which may be open already; throws where the browser refuses it. */
export function openSocket(url) {
  const found = take(earlySockets, url)?.socket
  return found && found.readyState <= WebSocket.OPEN ? found : new WebSocket(url)
}

/**
 * Asks for what the chat or the inbox of these options will start with: the token, the thread, the first page, the socket. Options
 * that are wrong are for `ChatSession` and `ChatInbox` to complain of.
 */
export function askEarly(options) {
  const isInbox = options.otherMongoId === undefined
  const read = readOptions(options, isInbox)
  if (typeof read === 'string') return
  const [base, key, tokenSource, ensureSource, me, other, pageSize] = read
  if (person !== me) dropEarly()
  person = me

  // Ids are sorted by bytes there. Where UTF-16 sorts otherwise the page is asked for in vain, and once more.
  const thread = me < other ? `${me}__${other}` : `${other}__${me}`
  const list = isInbox ? 'threads' : pages.messages
  const page = `${base}/rest/v1/rpc/list_chat_${list}`
  const body = JSON.stringify(isInbox ? { _limit: pageSize } : { _thread_id: thread, _after: 0, _limit: pageSize })
  // The browser keeps a preflight (CORS) by URL and names of headers: a request that asks nothing has it made by the time the
  // token is there. First of all, since the two race.
  const headers = { apikey: key, authorization: `Bearer ${key}`, 'content-type': 'application/json' }
  if (!early.has(tokenKey(tokenSource, me))) void fetched(page, { method: 'OPTIONS', cache: 'default', credentials: 'omit', headers })

  const token = begin(tokenKey(tokenSource, me), startToken(tokenSource))
  if (!isInbox) {
    const ensured = JSON.stringify({ other_mongo_id: other, my_mongo_id: me })
    void begin(ensureKey(ensureSource, ensured), startEnsure(ensureSource, ensured))
  }

  const socketUrl = `${base.replace(/^http/, 'ws')}/realtime/v1/websocket?apikey=${key}&vsn=2.0.0`
  if (!earlySockets.has(socketUrl)) {
    try {
      const entry = { since: clocks(), socket: new WebSocket(socketUrl) }
      earlySockets.set(socketUrl, entry)
      setTimeout(() => {
        // Still nobody's.
        if (earlySockets.get(socketUrl) === entry && earlySockets.delete(socketUrl)) entry.socket.close()
      }, KEPT_MS)
    } catch {}
  }

  void token.then((answer) => {
    const text = answer?.[1]?.access_token
    if (worked(answer) && typeof text === 'string' && person === me) {
      void begin(rpcKey(page, text, body), startRpc(page, key, text, body))
    }
  })
}
