import init, { ChatSession } from 'chopped-chat'

/** @param {Response} [wasm] where the page asked for it already */
export const prepare = (wasm) => init(wasm)

export function openChat(config, changed) {
  const session = new ChatSession({
    supabaseUrl: config.url,
    supabaseAnonKey: config.key,
    tokenUrl: config.tokenUrl,
    ensureThreadUrl: config.ensureUrl,
    myMongoId: config.me,
    otherMongoId: config.other,
    pageSize: config.pageSize,
    persistOutbox: config.persistOutbox,
  })
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
