// What a page does when the bench says so. Times are of `performance`, in ms.
import { connectTo, help } from './help.js'

const now = () => performance.now()
let peer
let chat

/** Loads a peer, as a click that nobody saw coming would. */
export async function load(name, config, helped) {
  const begun = helped ? help[name](config) : undefined
  peer ??= await import(`/${name}/peer.js`)
  await peer.prepare(config, begun)
  return peer
}

/** Opens a chat; how long until its first page was there, and until it would hear a new message. */
export function open(name, config, helped) {
  const clicked = now()
  return new Promise((resolve, reject) => {
    let firstPage
    load(name, config, helped)
      .then(() => {
        chat = peer.openChat(config, ({ messages, live }) => {
          if (messages.length > 0) firstPage ??= now() - clicked
          if (firstPage !== undefined && live) resolve({ firstPage, ready: now() - clicked })
        })
        return chat.opened
      })
      .catch(reject)
  })
}

export const close = () => chat.close()

let latest = []
const waits = new Set()

/** When the messages are first so, on a clock that two pages share. */
const when = (so) =>
  new Promise((resolve) => {
    if (so(latest)) resolve(performance.timeOrigin + now())
    else waits.add({ so, resolve })
  })

/** When each text was first in the list, on that clock. */
const firstSeen = new Map()
/** What a person sees of it. */
const shown = document.body.appendChild(document.createElement('p'))

/** A live chat for `send`, `expect` and `talk`. */
export function watch(name, config) {
  return new Promise((resolve, reject) => {
    load(name)
      .then(() => {
        chat = peer.openChat(config, ({ messages, live }) => {
          // New ones are at the end, or near it: before what is not sent yet.
          for (const { body } of messages.slice(-20)) if (!firstSeen.has(body)) firstSeen.set(body, performance.timeOrigin + now())
          latest = messages
          shown.textContent = messages.at(-1)?.body
          for (const wait of waits) {
            if (!wait.so(messages)) continue
            waits.delete(wait)
            wait.resolve(performance.timeOrigin + now())
          }
          if (live) resolve()
        })
        return chat.opened
      })
      .catch(reject)
  })
}

/** Sends; when that began, when the last bubble was there, when all were sent. */
export async function send(bodies) {
  const last = bodies.at(-1)
  const bubble = when((messages) => messages.at(-1)?.body === last)
  const count = latest.length + bodies.length
  const sent = when((messages) => messages.length >= count && messages.every(({ status }) => status === 'sent'))
  const began = performance.timeOrigin + now()
  for (const body of bodies) chat.send(body)
  return { began, bubble: await bubble, sent: await sent }
}

/** Who wants to hear when what IndexedDB is told to keep next is kept. */
let tellKept
const transaction = IDBDatabase.prototype.transaction
IDBDatabase.prototype.transaction = function (stores, mode, ...more) {
  const made = transaction.call(this, stores, mode, ...more)
  if (mode === 'readwrite' && tellKept) {
    const tell = tellKept
    tellKept = undefined
    made.addEventListener('complete', () => tell(now()))
  }
  return made
}

let pressed

/** The next key press sends `body`, as in a chat's input. */
export function sendOnPress(body) {
  pressed = new Promise((resolve) => {
    const press = ({ timeStamp }) => {
      const count = latest.length + 1
      const sent = when((messages) => messages.length >= count && messages.every(({ status }) => status === 'sent'))
      const kept = new Promise((resolve) => (tellKept = resolve))
      chat.send(body)
      let late = 0
      const frame = () => {
        if (!firstSeen.has(body)) {
          late += 1
          requestAnimationFrame(frame)
          return
        }
        // The first task behind the frame in which it is: it is painted.
        const { port1, port2 } = new MessageChannel()
        port1.onmessage = async () => {
          port1.close()
          const times = { began: performance.timeOrigin + timeStamp, late, painted: now() - timeStamp, sent: await sent }
          // Nobody but us keeps anything.
          resolve({ ...times, kept: tellKept ? undefined : (await kept) - timeStamp })
        }
        port2.postMessage(null)
      }
      requestAnimationFrame(frame)
    }
    addEventListener('keydown', press, { once: true })
  })
}

/** What came of the key press: how many frames after its own the bubble was painted, and when it was kept beyond the page. */
export const afterPress = () => pressed

/** Sends one after the other, `pause` ms apart; when each began. */
export async function talk(bodies, pause) {
  const began = []
  for (const body of bodies) {
    began.push(performance.timeOrigin + now())
    chat.send(body)
    await new Promise((resolve) => setTimeout(resolve, pause))
  }
  return began
}

/** The same, until all of them are sent: how long that took from the last on. */
export async function type(bodies, pause) {
  const sent = when((messages) => bodies.every((body) => messages.some((message) => message.body === body && message.status === 'sent')))
  const began = await talk(bodies, pause)
  return (await sent) - began.at(-1)
}

/** When each of `bodies`, which come from the other side, was there. */
export async function heard(bodies) {
  await when((messages) => bodies.every((body) => messages.some((message) => message.body === body)))
  return bodies.map((body) => firstSeen.get(body))
}

/** How many of `bodies`, which follow each other, are missing behind the oldest message of the list: further up one scrolls. */
export function holes(bodies) {
  const there = new Set(latest.map(({ body }) => body))
  const from = Math.max(bodies.indexOf(latest[0]?.body), 0)
  return bodies.slice(from).filter((body) => !there.has(body)).length
}

let expected

/** From here on `arrived` waits for so many more messages. */
export function expect(more) {
  const count = latest.length + more
  expected = when((messages) => messages.length >= count)
}

/** When they were there. */
export const arrived = () => expected

Object.assign(globalThis, { bench: { connectTo, load, open, close, watch, send, sendOnPress, afterPress, expect, arrived, talk, type, heard, holes } })
