import type { ChatMessage } from 'chopped-chat/inbox'

/** What stands in the place of a text that is gone; undefined where the text is there. */
export function goneText({ deleted, body }: Pick<ChatMessage, 'deleted' | 'body'>): string | undefined {
  if (deleted) return 'Message unsent'
  // Nothing can be sent empty: it is what the backend leaves of a person that it erased.
  return body === '' ? 'This message was erased' : undefined
}
