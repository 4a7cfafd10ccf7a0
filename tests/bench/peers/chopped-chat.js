import init, { ChatSession, prefetch } from 'chopped-chat'

/** What `useChat` does as well. @param {object} [config] @param {Promise<Response>} [wasm] where the page asked for it already */
export function prepare(config, wasm) {
  const loaded = wasm ? wasm.then(init) : init()
  if (config) void prefetch(optionsOf(config))
  return loaded
}

const optionsOf = (config) => ({
  supabaseUrl: config.url,
  supabaseAnonKey: config.key,
  tokenUrl: config.tokenUrl,
  ensureThreadUrl: config.ensureUrl,
  myMongoId: config.me,
  otherMongoId: config.other,
  pageSize: config.pageSize,
  persistOutbox: config.persistOutbox,
})

export function openChat(config, changed) {
  const session = new ChatSession(optionsOf(config))
  session.subscribe(() => {
    const { messages, status } = session.getSnapshot()
    changed({ messages, live: status === 'live' })
  })
  return {
    opened: session.open(),
    loadOlder: () => session.loadOlder(),
    send: (body) => session.send(body),
    close: () => session.close(),
  }
}
