import type { ChatSessionOptions } from 'chopped-chat'
import { BACKEND_URL, SUPABASE_ANON_KEY, SUPABASE_URL } from './config.ts'

/** What the chat of two people needs to know. */
export function chatOptions(myMongoId: string, otherMongoId: string): ChatSessionOptions {
  return {
    supabaseUrl: SUPABASE_URL,
    supabaseAnonKey: SUPABASE_ANON_KEY,
    tokenUrl: `${BACKEND_URL}/api/chat/token`,
    ensureThreadUrl: `${BACKEND_URL}/api/chat/threads/ensure`,
    myMongoId,
    otherMongoId,
    pageSize: 50,
  }
}
