// What the tests of chopped-chat/inbox steer, without React. `globalThis.me` is what the test gives it.
import * as chat from 'chopped-chat/inbox'
const { token, ...options } = globalThis.me
const getToken = () => ({ access_token: token, expires_in: 3600 })
const inbox = (more) => new chat.ChatInbox({ ...options, getToken, ...more })
const session = (otherMongoId, more) => new chat.ChatSession({ ...options, otherMongoId, getToken, ensureThread: () => {}, ...more })
const quiet = (ms = 50) => new Promise((done) => setTimeout(done, ms))
const until = async (is) => {
  for (const end = performance.now() + 20_000; !is(); await quiet(5)) {
    if (performance.now() > end) throw new Error('waited 20 s until ' + is)
  }
}
/** One that is live. */
const live = async (session) => {
  await session.open()
  await until(() => session.getSnapshot().status === 'live')
  return session
}
/** What the package keeps in its database `name`. */
const kept = async (name) => {
  // Opened by the package alone: who comes first makes the store.
  if (!(await indexedDB.databases()).some((database) => database.name === name)) return []
  const settled = (request) => new Promise((done, failed) => ((request.onsuccess = () => done(request.result)), (request.onerror = () => failed(request.error))))
  const database = await settled(indexedDB.open(name))
  const [store] = database.objectStoreNames
  const all = await settled(database.transaction(store).objectStore(store).getAll())
  database.close()
  return all
}
const marks = () => kept('chopped-chat seen')
/** What storage holds of changes that the server has not confirmed: each message's id. */
const pending = async () => (await kept('chopped-chat changes')).map(({ id }) => id)
/** A message of the session `open`, of errors their codes alone. */
const shown = (id) => {
  const message = open.getSnapshot().messages.find((message) => message.id === id)
  const code = (error) => error?.code ?? null
  return message && { ...message, error: code(message.error), change: message.change && { ...message.change, error: code(message.change.error) } }
}
await chat.default()
Object.assign(globalThis, { chat, inbox, session, live, quiet, until, kept, marks, pending, shown })
