// What a page may write, and what the types must refuse.
import init, { ChatError, type ChatErrorCode, ChatSession, type ChatSessionOptions, signOut, threadId } from '../src/index.js'
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
