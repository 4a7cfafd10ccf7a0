import init, { ChatSession, prefetch } from 'chopped-chat'

let begun

/** What `useChat` does as well. @param {object} [config] @param {object} [asked] what the page asked already: `page/help.js` */
export function prepare(config, asked) {
  begun = asked && { getToken: () => asked.token.then((answer) => answer.json()), ensureThread: () => asked.ensured }
  const loaded = asked ? asked.wasm.then(init) : init()
  if (config) void prefetch(optionsOf(config))
  return loaded
}

const optionsOf = (config) => ({
  supabaseUrl: config.url,
  supabaseAnonKey: config.key,
  myMongoId: config.me,
  otherMongoId: config.other,
  pageSize: config.pageSize,
  ...(begun ?? { tokenUrl: config.tokenUrl, ensureThreadUrl: config.ensureUrl }),
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
