import type { ChatMessage } from 'chopped-chat/inbox'
import { Quote } from './Quote.tsx'

interface Props {
  id: string
  kind: 'reply' | 'edit'
  /** The message that is replied to or edited; undefined where it is gone. */
  message: ChatMessage | undefined
  otherName: string
  onCancel: () => void
}

/** Above the composer: what is edited or replied to, and the way out of it. */
export function ComposerSubject({ id, kind, message, otherName, onCancel }: Props) {
  const isOver = kind === 'edit' && message?.canEdit !== true
  const name = message?.sender === 'me' ? 'yourself' : otherName
  return (
    <div className="subject" data-kind={kind} data-testid="subject">
      <div id={id} className="quote">
        <Quote author={isOver ? 'This message can’t be edited any more' : kind === 'edit' ? 'Edit your message' : `Reply to ${name}`} original={message ?? null} />
      </div>
      <button type="button" onClick={onCancel} aria-label={kind === 'edit' ? 'Stop editing' : 'Do not reply to it'} data-testid="cancel-subject">
        <svg viewBox="0 0 20 20" aria-hidden="true">
          <path d="m5 5 10 10M15 5 5 15" />
        </svg>
      </button>
    </div>
  )
}
