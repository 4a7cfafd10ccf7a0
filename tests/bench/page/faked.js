// A peer on the server inside the page: how fast it takes in broadcasts, what it holds, what it says while nobody does.
import { broadcast, deliver, install, lengths, traffic } from './fakes.js'
import { load } from './page.js'

install()
const WARM_UP = 3
const now = () => performance.now()
const turn = () => new Promise((resolve) => setTimeout(resolve, 12))
const config = (other) => ({
  url: 'http://fake.invalid',
  key: 'anon',
  tokenUrl: 'http://fake.invalid/api/chat/token',
  ensureUrl: 'http://fake.invalid/api/chat/threads/ensure',
  me: 'a'.repeat(24),
  other,
  pageSize: 50,
})
const threadOf = ({ me, other }) => [me, other].sort().join('__')
let people = 0

/** A live chat of `length` messages that shows them all. */
export async function chatOf(name, length) {
  const peer = await load(name)
  const who = { ...config((++people + 0xb00000).toString(16).padEnd(24, 'b')), pageSize: length > 200 ? 200 : 50 }
  const threadId = threadOf(who)
  lengths.set(threadId, length)
  const chat = { messages: [], threadId, wait: undefined }
  await new Promise((resolve, reject) => {
    const opened = peer.openChat(who, ({ messages, live }) => {
      chat.messages = messages
      if (live) resolve()
      if (chat.wait && messages.length >= chat.wait.count) chat.wait.resolve(now())
    })
    Object.assign(chat, { close: opened.close, loadOlder: opened.loadOlder })
    opened.opened.catch(reject)
  })
  while (chat.messages.length < length) await chat.loadOlder()
  return chat
}

/**
 * How long it takes until `done`, which begins with the call, and how much of that the page's thread worked, in ms. The bench
 * gives `threadTime`: a page has no clock that stands still while others have the processor.
 */
async function timed(done) {
  const before = await globalThis.threadTime()
  const began = now()
  const took = (await done()) - began
  return { took, worked: (await globalThis.threadTime()) - before }
}

/** From the first of `count` broadcasts at the socket to the list that has the last of them. */
async function take(chat, count) {
  const have = chat.messages.length
  const frames = Array.from({ length: count }, (_, n) => broadcast(chat.threadId, have + n + 1))
  lengths.set(chat.threadId, have + count)
  await turn()
  globalThis.gc?.()
  const times = await timed(() => {
    const done = new Promise((resolve) => (chat.wait = { count: have + count, resolve }))
    deliver(frames)
    return done
  })
  chat.wait = undefined
  return times
}

/** The middle one of what `once` takes. */
async function repeated(count, once) {
  for (let n = 0; n < WARM_UP; n++) await once(Math.min(count, 20))
  const times = []
  for (let n = 0; n < (count === 1 ? 25 : count === 100 ? 5 : 1); n++) times.push(await once(count))
  return times.sort((a, b) => a.took - b.took)[times.length >> 1]
}

/** A long chat serves again: what it took in before makes it little longer. */
const LONG = 1000
let long

/** `count` broadcasts into a list of `length`; a single one is taken again and again, as one alone says little. */
export async function ingest(name, length, count) {
  const chat = length < LONG ? await chatOf(name, length) : (long ??= await chatOf(name, length))
  const times = await repeated(count, (many) => take(chat, many))
  if (chat !== long) await chat.close()
  return times
}

/** The same frames, and nothing done with them but JSON.parse. */
export function parseAlone(count) {
  const decoder = new TextDecoder()
  return repeated(count, async (many) => {
    const frames = Array.from({ length: many }, (_, n) => broadcast(`${'a'.repeat(24)}__${'b'.repeat(24)}`, n + 1))
    const rows = []
    await turn()
    globalThis.gc?.()
    return timed(
      () =>
        new Promise((resolve) => {
          deliver(frames, (data) => {
            const head = new Uint8Array(data, 0, 5)
            rows.push(JSON.parse(decoder.decode(new Uint8Array(data, 5 + head[1] + head[2] + head[3]))).record)
            if (rows.length === many) resolve(now())
          })
        }),
    )
  })
}

let longest = 0
new PerformanceObserver((list) => {
  for (const { duration } of list.getEntries()) longest = Math.max(longest, duration)
}).observe({ type: 'longtask' })

/** The longest task since it was last asked, in ms; 0 where none was longer than 50 ms, as browsers tell of no others. */
export async function longestTask() {
  // They are told of after the task.
  await new Promise((done) => setTimeout(done, 100))
  const told = longest
  longest = 0
  return told
}

export { load, traffic }
Object.assign(globalThis, { faked: { load, chatOf, ingest, parseAlone, longestTask, traffic } })
