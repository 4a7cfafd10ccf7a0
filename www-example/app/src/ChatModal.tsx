import type { ChatMessage, ChatSnapshot } from 'chopped-chat/inbox'
import { useChat } from 'chopped-chat/inbox/react'
import { type KeyboardEvent, type MouseEvent, type SyntheticEvent, useLayoutEffect, useMemo, useRef, useState } from 'react'
import { flushSync } from 'react-dom'
import { AskDialog } from './AskDialog.tsx'
import { Avatar } from './Avatar.tsx'
import type { Person } from './backend.ts'
import { chatOptions } from './chat-options.ts'
import { Composer } from './Composer.tsx'
import { errorText, lateText } from './error-text.ts'
import { MessageList } from './MessageList.tsx'
import { useComposing } from './use-composing.ts'
import { useLate } from './use-late.ts'
import './styles/chat.css'

const CONNECTION: Record<ChatSnapshot['status'], string> = {
  connecting: 'Connecting…',
  live: 'Connected',
  reconnecting: 'Reconnecting…',
  offline: 'You are offline. Messages will be sent when you are back.',
  'auth-required': 'Signed out',
  closed: 'Closed',
}

interface Props {
  myMongoId: string
  other: Person
  receipts: boolean
  /** How many of the other's messages are unread; undefined while that is not known. */
  unread: number | undefined
  onClose: () => void
  onSignInAgain: () => void
}

/** The conversation with one person. While it is mounted its session is open; unmounting it ends the session. */
export function ChatModal({ myMongoId, other, receipts, unread, onClose, onSignInAgain }: Props) {
  const options = useMemo(() => chatOptions(myMongoId, other.mongo_user_id, receipts), [myMongoId, other.mongo_user_id, receipts])
  const chat = useChat(options)
  const dialog = useRef<HTMLDialogElement>(null)
  const composer = useRef<HTMLTextAreaElement>(null)
  const composing = useComposing(myMongoId)
  const [unsending, setUnsending] = useState<ChatMessage>()

  // A native modal dialog keeps the focus inside, and gives it back to where it was when it is closed.
  useLayoutEffect(() => {
    const element = dialog.current
    element?.showModal()
    // On a touch screen the focus would push a keyboard over the messages.
    if (matchMedia('(pointer: fine)').matches) composer.current?.focus()
    return () => element?.close()
  }, [])

  const closeOnEscape = (event: SyntheticEvent) => {
    event.preventDefault()
    onClose()
  }
  const endOnEscape = (event: KeyboardEvent) => {
    if (event.key !== 'Escape' || event.nativeEvent.isComposing || !composing.end()) return
    // It closes nothing then.
    event.preventDefault()
    composer.current?.focus()
  }
  const closeOnBackdrop = (event: MouseEvent) => {
    if (event.target === dialog.current) onClose()
  }

  const unsend = ({ id }: ChatMessage) => {
    flushSync(() => setUnsending(undefined))
    // With the text goes the button that had the focus.
    dialog.current?.querySelector<HTMLElement>(`[data-id="${CSS.escape(id)}"]`)?.focus({ preventScroll: true })
    chat.unsend(id)
  }

  const late = useLate(chat.messages)
  const signedOut = chat.status === 'auth-required'
  const wouldBeLost = chat.status === 'offline' && !chat.outboxPersists
  const isStuck = chat.status === 'live' && late.size > 0
  // A single failure is made good by the next try, mostly before it can be read.
  const problem = isStuck ? lateText(chat.error, chat.outboxPersists) : chat.error !== null && !['live', 'offline'].includes(chat.status) ? errorText(chat.error) : undefined
  return (
    <>
      <dialog ref={dialog} className="chat" aria-labelledby="chat-title" data-testid="chat-modal" onCancel={closeOnEscape} onKeyDown={endOnEscape} onMouseDown={closeOnBackdrop}>
        <div className="chat-inside">
          <header>
            <Avatar name={other.name} />
            <div className="who">
              <h2 id="chat-title">{other.name}</h2>
              <p className="connection" role="status" data-testid="connection" data-status={chat.status} data-stuck={isStuck || undefined}>
                {isStuck ? 'Connected, but not sending' : CONNECTION[chat.status]}
                {wouldBeLost && ' Keep this page open until then: this browser stores nothing.'}
              </p>
            </div>
            <button type="button" className="close" onClick={onClose} aria-label="Close the chat" data-testid="close">
              <svg viewBox="0 0 20 20" aria-hidden="true">
                <path d="m5 5 10 10M15 5 5 15" />
              </svg>
            </button>
          </header>

          {problem !== undefined && (
            <div className="banner" role="alert" data-testid="chat-error" data-code={chat.error?.code}>
              <p>{problem}</p>
              {signedOut && (
                <button type="button" className="button" onClick={onSignInAgain}>
                  Sign in
                </button>
              )}
            </div>
          )}

          <MessageList chat={chat} unread={unread} late={late} otherName={other.name} onReply={composing.reply} onEdit={composing.startEdit} onUnsend={setUnsending} />
          <Composer ref={composer} myMongoId={myMongoId} other={other} disabled={signedOut} chat={chat} composing={composing} />
        </div>
      </dialog>
      {unsending !== undefined && (
        <AskDialog title="Unsend this message?" stay="Keep it" go="Unsend" onStay={() => setUnsending(undefined)} onGo={() => unsend(unsending)} testId="unsend-dialog">
          It is taken back for both of you. What it says can’t be brought back.
        </AskDialog>
      )}
    </>
  )
}
