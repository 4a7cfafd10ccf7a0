import { about, ensureUrl, swapped, tokenUrl } from './page.js'

const { default: init, ChatInbox, ChatSession } = await import('/pkg/inbox/index.js')
await init()
const options = { supabaseUrl: about.url, supabaseAnonKey: about.key, tokenUrl, myMongoId: about.me }
const inbox = new ChatInbox(options)
inbox.open().catch(() => {})
/** The chats that were opened, by the other person. */
const chats = new Map()

window.chat = {
  swapped,
  state() {
    const { status, error } = inbox.getSnapshot()
    return { status, error: error?.code ?? null }
  },
  lines: () => inbox.getSnapshot().threads.map(({ otherMongoId, lastMessage, unread }) => [otherMongoId, lastMessage?.body ?? '', unread]),
  async read(other) {
    if (!chats.has(other)) chats.set(other, new ChatSession({ ...options, otherMongoId: other, ensureThreadUrl: ensureUrl(other) }))
    const session = chats.get(other)
    await session.open()
    const seq = session.getSnapshot().messages.at(-1)?.seq ?? 0
    if (seq > 0) session.markRead(seq)
    return seq
  },
}
