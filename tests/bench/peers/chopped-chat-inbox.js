import init, { ChatInbox, prefetch } from 'chopped-chat/inbox'
import { asChat } from './lines.js'

/** What `useInbox` does as well. @param {object} [config] */
export function prepare(config) {
  const loaded = init()
  if (config) void prefetch(optionsOf(config))
  return loaded
}

const optionsOf = (config) => ({
  supabaseUrl: config.url,
  supabaseAnonKey: config.key,
  myMongoId: config.me,
  tokenUrl: config.tokenUrl,
})

export function openChat(config, changed) {
  const inbox = new ChatInbox(optionsOf(config))
  inbox.subscribe(() => {
    const { threads, status } = inbox.getSnapshot()
    changed(asChat(threads.map(({ lastMessage }) => lastMessage?.body), status === 'live'))
  })
  return { opened: inbox.open(), close: () => inbox.close() }
}
