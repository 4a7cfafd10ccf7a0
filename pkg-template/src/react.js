import { Chat } from './chat.js'
import { useLive } from './store.js'

/** @param {import('./index.js').ChatSessionOptions | null} options */
export const useChat = (options) => useLive(Chat, options)
