import type { ChatMessage } from 'chopped-chat/inbox'
import { type FocusEvent, type KeyboardEvent, useCallback, useState } from 'react'
import { goneText } from './gone-text.ts'

/**
 * Makes one stop for Tab of all the messages' buttons: the last one that had the focus, else the newest. The arrow keys go from one to
 * the next.
 */
export function useMessageFocus(messages: readonly ChatMessage[]) {
  const [latest, setLatest] = useState<string>()
  const hasButton = (message: ChatMessage) => goneText(message) === undefined
  const stop = messages.find((message) => message.id === latest && hasButton(message)) ?? messages.findLast(hasButton)

  const onFocus = useCallback(({ target }: FocusEvent) => {
    // What else can have it in a message, such as a quote, has stops of its own.
    if (target.matches('.more, [data-id]')) setLatest(target.closest<HTMLElement>('[data-id]')?.dataset['id'])
  }, [])
  const onKeyDown = useCallback((event: KeyboardEvent<HTMLElement>) => {
    const by = { ArrowUp: -1, ArrowDown: 1 }[event.key]
    const buttons = [...event.currentTarget.querySelectorAll<HTMLElement>('.more')]
    const at = buttons.indexOf(event.target as HTMLElement)
    if (by === undefined || at < 0) return
    event.preventDefault()
    buttons[at + by]?.focus()
  }, [])
  return { tabStop: stop?.id, onFocus, onKeyDown }
}
