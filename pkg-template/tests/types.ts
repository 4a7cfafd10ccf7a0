// What a page may write, and what the types must refuse.
import init, { ChatError, type ChatErrorCode, ChatSession, type ChatSessionOptions, signOut, threadId } from '../src/index.js'
import { ChatInbox, type ChatInboxOptions, ChatSession as ReceiptSession, prefetch } from '../src/inbox.js'
import { useChat as useReceiptChat, useInbox, useSeen, useUnread } from '../src/inbox-react.js'
import { useChat } from '../src/react.js'

const base = { supabaseUrl: '', supabaseAnonKey: '', myMongoId: 'a', otherMongoId: 'b' }
const byUrl: ChatSessionOptions = { ...base, tokenUrl: '/t', ensureThreadUrl: '/e' }
const byCallback: ChatSessionOptions = {
  ...base,
  pageSize: 20,
  persistOutbox: false,
  cacheMessages: false,
  getToken: async () => ({ access_token: '', expires_in: 3600 }),
  ensureThread: async (other: string) => void other,
}
// @ts-expect-error no way to get a token
export const without: ChatSessionOptions = { ...base, ensureThreadUrl: '/e' }
// @ts-expect-error two ways to get a token
export const both: ChatSessionOptions = { ...byUrl, getToken: () => null }

export async function page(): Promise<string> {
  await init()
  const session = new ChatSession(byUrl)
  const off: () => void = session.subscribe(() => {})
  await session.open()
  const [first] = session.getSnapshot().messages
  // @ts-expect-error frozen
  if (first) first.body = ''
  const seq: number | null | undefined = first?.seq
  off()
  const kept: boolean = session.getSnapshot().outboxPersists
  const cached: boolean = session.getSnapshot().fromCache
  await signOut()
  try {
    session.send('')
  } catch (error) {
    if (error instanceof ChatError) {
      const code: ChatErrorCode = error.code
      return code
    }
  }
  return threadId('a', 'b') + seq + kept
}

export function Component(): string {
  const chat = useChat(byCallback)
  useChat(null)
  // @ts-expect-error no such status
  if (chat.status === 'open') return ''
  return chat.send('hello')
}

const inboxOptions: ChatInboxOptions = { supabaseUrl: '', supabaseAnonKey: '', myMongoId: 'a', tokenUrl: '/t', receipts: false }
// @ts-expect-error whose token
export const tokenless: ChatInboxOptions = { supabaseUrl: '', supabaseAnonKey: '', myMongoId: 'a' }

export async function inboxPage(): Promise<number> {
  void prefetch(inboxOptions)
  const inbox = new ChatInbox(inboxOptions)
  await inbox.open()
  const [line] = inbox.getSnapshot().threads
  // @ts-expect-error frozen
  if (line) line.unread = 0
  // @ts-expect-error there may be none
  const body: string = line?.lastMessage.body
  const status: 'sent' | 'delivered' | 'read' | undefined = line?.lastMessage?.status
  await inbox.loadMore()
  const session = new ReceiptSession({ ...byUrl, receipts: false })
  session.markRead(1)
  // @ts-expect-error without the inbox there are no receipts
  new ChatSession(byUrl).markRead(1)
  const [message] = session.getSnapshot().messages
  if (message) {
    session.edit(message.id, `${message.quoted?.body} ${message.change?.error?.code}`)
    session.react(message.id, message.reactions.me === '❤️' ? null : '❤️')
    session.unsend(session.send('a reply', { replyTo: message.seq }))
    // @ts-expect-error frozen
    message.reactions.me = null
    // @ts-expect-error null takes it back
    session.react(message.id)
  }
  session.send('under an id', 'as of ChatSession')
  // @ts-expect-error without the inbox there are no changes
  new ChatSession(byUrl).edit('', '')
  await session.jumpTo(1)
  const gone: boolean | undefined = line?.lastMessage?.deleted
  const first: number | null | undefined = session.getSnapshot().firstUnread
  return (first ?? 0) + inbox.getSnapshot().unread + session.getSnapshot().readByOther + body.length + (status?.length ?? 0) + Number(gone)
}

export function InboxComponent(): number {
  const chat = useReceiptChat(byCallback)
  const ref: (list: Element | null) => void = useSeen(chat)
  // @ts-expect-error a chat without receipts
  useSeen(useChat(byCallback))
  const { threads, loadMore } = useInbox(inboxOptions)
  chat.unsend(chat.send('a reply', { replyTo: 1 }))
  chat.edit('', '')
  chat.react('', null)
  void chat.jumpTo(1)
  // @ts-expect-error without the inbox there are no replies
  useChat(byCallback).send('', { replyTo: 1 })
  void loadMore()
  ref(null)
  return useUnread(null) + threads.length + chat.deliveredToOther
}
