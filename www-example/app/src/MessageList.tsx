import type { ChatMessage } from 'chopped-chat/inbox'
import { type Chat, useSeen } from 'chopped-chat/inbox/react'
import { Fragment, useCallback, useEffect, useRef, useState } from 'react'
import { Announcer } from './Announcer.tsx'
import { dayText, isSameDay } from './dates.ts'
import { errorText } from './error-text.ts'
import { goneText } from './gone-text.ts'
import { MessageBubble } from './MessageBubble.tsx'
import { MessageMenu } from './MessageMenu.tsx'
import { useChatScroll } from './use-chat-scroll.ts'
import { useFirstUnread } from './use-first-unread.ts'
import { useJump } from './use-jump.ts'
import { useMessageFocus } from './use-message-focus.ts'
import { useNotice } from './use-notice.ts'

/** For `useSeen`: what is in view before the list begins at the first unread message does not count. */
const notYet = () => {}

interface Props {
  chat: Chat
  /** How many the inbox counts as unread. */
  unread: number | undefined
  /** The ids of what has been on its way for too long. */
  late: ReadonlySet<string>
  otherName: string
  onReply: (message: ChatMessage) => void
  onEdit: (message: ChatMessage) => void
  onUnsend: (message: ChatMessage) => void
}

export function MessageList({ chat, unread, late, otherName, onReply, onEdit, onUnsend }: Props) {
  const { messages, hasOlder, loadingOlder, retry, discard, react, markRead } = chat
  const { firstUnread, isFurtherUp } = useFirstUnread(chat, unread)
  const { list, unseen, follow, show } = useChatScroll(messages, firstUnread)
  const [notice, tell] = useNotice()
  const { jump, highlighted } = useJump(chat, show, tell)
  const { tabStop, ...focus } = useMessageFocus(messages)
  const [menuOf, setMenuOf] = useState<string>()
  const toggleMenu = useCallback((id: string) => setMenuOf((open) => (open === id ? undefined : id)), [])
  const closeMenu = useCallback(() => setMenuOf(undefined), [])
  const chosen = messages.find((message) => message.id === menuOf && goneText(message) === undefined)
  const [olderProblem, setOlderProblem] = useState<string>()
  const sentinel = useOlderOnSight(chat, isFurtherUp, olderProblem === undefined, setOlderProblem)
  const seen = useSeen({ messages, markRead: firstUnread === undefined ? notYet : markRead })
  // Without the first page there is no telling: `hasOlder` is false, and what is sent meanwhile stands alone.
  const first = messages[0]?.seq ?? null
  const showsStart = !hasOlder && first !== null && (first === 1 || chat.status === 'live')
  const isEmpty = messages.length === 0 && chat.status === 'live'

  return (
    <div className="list-frame" ref={seen}>
      <div ref={list} className="list" role="log" aria-live="off" aria-label={`Conversation with ${otherName}`} aria-busy={loadingOlder} tabIndex={0} {...focus} data-testid="messages">
        <div ref={sentinel} className="older" data-testid="load-older-sentinel">
          {olderProblem !== undefined ? (
            <button type="button" className="quiet" onClick={() => setOlderProblem(undefined)}>
              {olderProblem} Load older messages
            </button>
          ) : loadingOlder ? (
            'Loading older messages…'
          ) : showsStart ? (
            `The start of your conversation with ${otherName}`
          ) : null}
        </div>

        {isEmpty && <p className="empty">No messages yet. Say hello to {otherName}.</p>}

        {messages.map((message, index) => {
          const previous = messages[index - 1]
          const date = new Date(message.createdAt)
          const isNewDay = previous === undefined || !isSameDay(new Date(previous.createdAt), date)
          const isFirstUnread = message.seq !== null && message.seq === firstUnread
          return (
            <Fragment key={message.id}>
              {isNewDay && (
                <h3 className="day">
                  <span>{dayText(date)}</span>
                </h3>
              )}
              {isFirstUnread && (
                <p className="divider" role="separator" data-testid="first-unread">
                  <span>New messages</span>
                </p>
              )}
              <MessageBubble
                message={message}
                otherName={otherName}
                isFirstOfGroup={isNewDay || isFirstUnread || previous.sender !== message.sender}
                isLate={late.has(message.id)}
                isTabStop={message.id === tabStop}
                isMenuOpen={message === chosen}
                isHighlighted={message.seq !== null && message.seq === highlighted}
                onMenu={toggleMenu}
                onJump={jump}
                onReact={react}
                onRetry={retry}
                onDiscard={discard}
              />
            </Fragment>
          )
        })}
      </div>

      {unseen > 0 && (
        <button type="button" className="pill" onClick={follow} data-testid="new-messages">
          {unseen === 1 ? '1 new message' : `${unseen} new messages`}
        </button>
      )}
      {chosen !== undefined && (
        <MessageMenu key={chosen.id} message={chosen} onReact={react} onReply={onReply} onCopy={({ body }) => void copy(body).then(tell)} onEdit={onEdit} onUnsend={onUnsend} onClose={closeMenu} />
      )}
      <p className="toast" role="status" data-testid="notice">
        {notice}
      </p>
      <Announcer chat={chat} otherName={otherName} />
    </div>
  )
}

/** Loads a page of older messages each time the top of the list comes into sight, and while `isWanted`. */
function useOlderOnSight({ hasOlder, loadingOlder, loadOlder, messages }: Chat, isWanted: boolean, enabled: boolean, onProblem: (text: string) => void) {
  const sentinel = useRef<HTMLDivElement>(null)
  useEffect(() => {
    const top = sentinel.current
    if (top === null || !enabled || !hasOlder || loadingOlder || messages.length === 0) return
    const load = () => void loadOlder().catch((error: unknown) => onProblem(errorText(error)))
    if (isWanted) return load()
    // A new observer reports at once: a page that doesn't fill the list is followed by the next one.
    const observer = new IntersectionObserver(
      ([entry]) => {
        if (entry?.isIntersecting !== true) return
        observer.disconnect()
        load()
      },
      { root: top.parentElement, rootMargin: '64px 0px 0px' },
    )
    observer.observe(top)
    return () => observer.disconnect()
  }, [isWanted, enabled, hasOlder, loadingOlder, loadOlder, messages.length, onProblem])
  return sentinel
}

/** Answers what to say of it. */
async function copy(text: string): Promise<string> {
  try {
    await navigator.clipboard.writeText(text)
    return 'Copied'
  } catch {
    return 'This browser lets no page copy.'
  }
}
