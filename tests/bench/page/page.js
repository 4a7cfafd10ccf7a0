// What a page does when the bench says so. Times are of `performance`, in ms.

const now = () => performance.now()
let peer
let chat

/** Loads a peer, as a click that nobody saw coming would; `early` asks for its WebAssembly beside its code. */
export async function load(name, early, config) {
  const wasm = early && !peer ? fetch(`/${name}/core_bg.wasm`) : undefined
  peer ??= await import(`/${name}/peer.js`)
  await peer.prepare(config, wasm)
  return peer
}

/** Opens a chat; how long until its first page was there, and until it would hear a new message. */
export function open(name, config, early) {
  const clicked = now()
  return new Promise((resolve, reject) => {
    let firstPage
    load(name, early, config)
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

/** A live chat for `send`, `expect` and `talk`. */
export function watch(name, config) {
  return new Promise((resolve, reject) => {
    load(name)
      .then(() => {
        chat = peer.openChat(config, ({ messages, live }) => {
          // New ones are at the end, or near it: before what is not sent yet.
          for (const { body } of messages.slice(-20)) if (!firstSeen.has(body)) firstSeen.set(body, performance.timeOrigin + now())
          latest = messages
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

/** When each of `bodies`, which come from the other side, was there. */
export async function heard(bodies) {
  await when((messages) => bodies.every((body) => messages.some((message) => message.body === body)))
  return bodies.map((body) => firstSeen.get(body))
}

let expected

/** From here on `arrived` waits for so many more messages. */
export function expect(more) {
  const count = latest.length + more
  expected = when((messages) => messages.length >= count)
}

/** When they were there. */
export const arrived = () => expected

Object.assign(globalThis, { bench: { load, open, close, watch, send, expect, arrived, talk, heard } })
