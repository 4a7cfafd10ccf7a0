import type { ChatChange, ChatMessage } from 'chopped-chat/inbox'
import { errorText } from './error-text.ts'

const NOT_DONE: Record<ChatChange['kind'], string> = {
  edit: 'Not edited.',
  unsend: 'Not unsent.',
  react: 'Your reaction was not taken.',
}

interface Props {
  message: ChatMessage
  /** On its way for too long. */
  isLate: boolean
  onRetry: (id: string) => void
  onDiscard: (id: string) => void
}

/** What keeps a message, or a change of it, from being done, and what can be done about it. */
export function MessageTrouble({ message: { id, status, error, change }, isLate, onRetry, onDiscard }: Props) {
  const retry = (
    <button type="button" onClick={() => onRetry(id)} data-testid="retry">
      Retry
    </button>
  )
  const discard = (
    <button type="button" onClick={() => onDiscard(id)} data-testid="discard">
      Discard
    </button>
  )
  return (
    <>
      {isLate && (
        <div className="late" data-testid="late">
          <span>Not sent yet. It goes as soon as it can.</span>
          {discard}
        </div>
      )}
      {status === 'error' && (
        <div className="failed">
          <span role="alert">{errorText(error)}</span>
          {retry}
          {discard}
        </div>
      )}
      {status !== 'error' && change?.status === 'error' && (
        <div className="failed" data-testid="refused-change">
          {/* What was typed is not lost: it can be asked for again, or copied. */}
          {change.body !== null && (
            <p className="kept" dir="auto">
              {change.body}
            </p>
          )}
          <span role="alert">
            {NOT_DONE[change.kind]} {errorText(change.error)}
          </span>
          {retry}
          {discard}
        </div>
      )}
    </>
  )
}
