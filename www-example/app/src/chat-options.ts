import type { ChatInboxOptions, ChatSessionOptions } from 'chopped-chat/inbox'
import { BACKEND_URL, SUPABASE_ANON_KEY, SUPABASE_URL } from './config.ts'

/** What the inbox of a person needs to know. */
export function inboxOptions(myMongoId: string, receipts: boolean): ChatInboxOptions {
  return {
    supabaseUrl: SUPABASE_URL,
    supabaseAnonKey: SUPABASE_ANON_KEY,
    tokenUrl: `${BACKEND_URL}/api/chat/token`,
    myMongoId,
    receipts,
  }
}

/** What the chat of two people needs to know. */
export function chatOptions(myMongoId: string, otherMongoId: string, receipts: boolean): ChatSessionOptions {
  return {
    ...inboxOptions(myMongoId, receipts),
    ensureThreadUrl: `${BACKEND_URL}/api/chat/threads/ensure`,
    otherMongoId,
    pageSize: 50,
  }
}
