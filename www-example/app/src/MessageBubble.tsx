import type { ChatMessage } from 'chopped-chat/inbox'
import { memo } from 'react'
import { timeText } from './dates.ts'
import { errorText } from './error-text.ts'
import { Ticks } from './Ticks.tsx'

interface Props {
  message: ChatMessage
  otherName: string
  isFirstOfGroup: boolean
  /** On its way for too long. */
  isLate: boolean
  onRetry: (id: string) => void
  onDiscard: (id: string) => void
}

/** One message. The session keeps a message's object until it changes, so memo spares all the others. */
export const MessageBubble = memo(function MessageBubble({ message, otherName, isFirstOfGroup, isLate, onRetry, onDiscard }: Props) {
  const { id, seq, sender, body, status, error } = message
  const date = new Date(message.createdAt)
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
      aria-label={`${sender === 'me' ? 'You' : otherName}, ${timeText(date)}`}
    >
      <div className="bubble">
        {/* Nothing can be sent empty: it is what the backend leaves of a person that it erased. */}
        {body === '' ? <p className="erased">This message was erased</p> : <p dir="auto">{body}</p>}
        <footer>
          <time dateTime={date.toISOString()} title={date.toLocaleString()}>
            {timeText(date)}
          </time>
          {sender === 'me' && <Ticks status={status} />}
        </footer>
      </div>
      {isLate && (
        <div className="late" data-testid="late">
          <span>Not sent yet. It goes as soon as it can.</span>
          <button type="button" onClick={() => onDiscard(id)} data-testid="discard">
            Discard
          </button>
        </div>
      )}
      {status === 'error' && (
        <div className="failed">
          <span role="alert">{errorText(error)}</span>
          <button type="button" onClick={() => onRetry(id)} data-testid="retry">
            Retry
          </button>
          <button type="button" onClick={() => onDiscard(id)} data-testid="discard">
            Discard
          </button>
        </div>
      )}
    </article>
  )
})
