import type { ChatChange, ChatMessage } from 'chopped-chat/inbox'
import { memo } from 'react'
import { timeText } from './dates.ts'
import { goneText } from './gone-text.ts'
import { MessageTrouble } from './MessageTrouble.tsx'
import { Quote } from './Quote.tsx'
import { Reactions } from './Reactions.tsx'
import { Ticks } from './Ticks.tsx'
import { useLongPress } from './use-long-press.ts'

/** What is shown as if it were done, and is not yet. */
const UNDER_WAY: Partial<Record<ChatChange['kind'], string>> = { edit: 'saving…', unsend: 'unsending…' }

interface Props {
  message: ChatMessage
  otherName: string
  isFirstOfGroup: boolean
  /** On its way for too long. */
  isLate: boolean
  /** Its menu's button is the one that Tab comes to. */
  isTabStop: boolean
  isMenuOpen: boolean
  isHighlighted: boolean
  onMenu: (id: string) => void
  onJump: (seq: number) => void
  onReact: (id: string, emoji: string | null) => void
  onRetry: (id: string) => void
  onDiscard: (id: string) => void
}

/** One message. The session keeps a message's object until it changes, so memo spares all the others. */
export const MessageBubble = memo(function MessageBubble(props: Props) {
  const { message, otherName, isFirstOfGroup, isLate, isTabStop, isMenuOpen, isHighlighted, onMenu, onJump, onReact, onRetry, onDiscard } = props
  const { id, seq, sender, body, status, replyTo, quoted, editedAt, change } = message
  const date = new Date(message.createdAt)
  const gone = goneText(message)
  const underWay = change?.status === 'sending' ? UNDER_WAY[change.kind] : undefined
  const press = useLongPress(() => onMenu(id))
  return (
    <article
      className="message"
      data-testid="message"
      data-id={id}
      data-seq={seq ?? undefined}
      // How far it has come with the other person is the ticks' business.
      data-status={status === 'delivered' || status === 'read' ? 'sent' : status}
      data-sender={sender}
      data-first={isFirstOfGroup || undefined}
      data-gone={gone !== undefined || undefined}
      data-change={change?.status}
      data-highlighted={isHighlighted || undefined}
      // For who is led here by a quote.
      tabIndex={-1}
      aria-label={`${sender === 'me' ? 'You' : otherName}, ${timeText(date)}`}
    >
      <div className="bubble" {...(gone === undefined && press)}>
        {replyTo !== null && (
          <button type="button" className="quote" onClick={() => onJump(replyTo)} data-testid="quote">
            <span className="visually-hidden">In reply to </span>
            <Quote author={quoted === null ? 'An earlier message' : quoted.mine ? 'You' : otherName} original={quoted} />
          </button>
        )}
        <p dir={gone === undefined ? 'auto' : undefined}>{gone ?? body}</p>
        <footer>
          {underWay !== undefined ? <span>{underWay}</span> : editedAt !== null && <span title={new Date(editedAt).toLocaleString()}>edited</span>}
          <time dateTime={date.toISOString()} title={date.toLocaleString()}>
            {timeText(date)}
          </time>
          {sender === 'me' && gone === undefined && <Ticks status={status} />}
        </footer>
        {gone === undefined && (
          <button type="button" className="more" tabIndex={isTabStop ? 0 : -1} aria-haspopup="menu" aria-expanded={isMenuOpen} aria-label="Message options" onClick={() => onMenu(id)} data-testid="message-options">
            <svg viewBox="0 0 20 20" aria-hidden="true">
              <path d="M5 10h.01M10 10h.01M15 10h.01" />
            </svg>
          </button>
        )}
      </div>
      {gone === undefined && <Reactions message={message} otherName={otherName} onReact={onReact} />}
      <MessageTrouble message={message} isLate={isLate} onRetry={onRetry} onDiscard={onDiscard} />
    </article>
  )
})
